"""The long short-term memory."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from recast.nn.cells.gate_init import ConstantBias, GateInit
from recast.nn.cells.initialise import RecurrentInit
from recast.nn.cells.torch_cell import TorchCell
from recast.options import PositiveInt, checked


class LSTMState(NamedTuple):
    """State of `LSTM`."""

    hidden: Float[Tensor, "batch hidden"]
    cell: Float[Tensor, "batch hidden"]


class LSTM(TorchCell[LSTMState]):
    """Long short-term memory with forget gate (Gers et al. 2000, "Learning to forget"), without peepholes.

        i = sigmoid(W_ii x + b_ii + W_hi h + b_hi)           input gate
        f = sigmoid(W_if x + b_if + W_hf h + b_hf)           forget gate
        g = tanh(W_ig x + b_ig + W_hg h + b_hg)              candidate
        o = sigmoid(W_io x + b_io + W_ho h + b_ho)           output gate
        c' = f * c + i * g
        h' = o * tanh(c')

    The weights are those of `torch.nn.LSTM`, initialised as there: uniform in ±1/sqrt(hidden_size).

    Args:
        input_size: Number of inputs at each step.
        hidden_size: Number of hidden units.
        gate_init: How the biases of the forget gate and of the input gate start; none: `ConstantBias`, a memory of
            about 21 steps.
        recurrent_init: How the recurrent weights start; see `recast.nn.cells.initialise.initialise_recurrent`.
        learn_initial_state: Whether the initial state is learnt, starting from zeros; otherwise it is zero.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    state_type = LSTMState
    kind = "lstm"

    @checked
    def __init__(
        self,
        *,
        input_size: PositiveInt,
        hidden_size: PositiveInt = 64,
        gate_init: GateInit | None = None,
        recurrent_init: RecurrentInit = "uniform",
        learn_initial_state: bool = False,
    ) -> None:
        super().__init__(
            rnn=nn.LSTM(input_size, hidden_size, batch_first=True),
            recurrent_init=recurrent_init,
            learn_initial_state=learn_initial_state,
        )
        _, _, bias_ih, bias_hh = self.weights
        with torch.no_grad():
            input_gate, forget_gate = slice(hidden_size), slice(hidden_size, 2 * hidden_size)
            (gate_init or ConstantBias()).initialise(
                [bias_ih[forget_gate], bias_hh[forget_gate]], [bias_ih[input_gate], bias_hh[input_gate]]
            )

    def forward(
        self, inputs: Float[Tensor, "batch time input"], state: LSTMState | None = None
    ) -> tuple[Float[Tensor, "batch time hidden"], LSTMState]:
        """Runs over a sequence in one torch call; see `Cell.forward`."""
        if not _lacks_bfloat16(inputs.device.type):
            return super().forward(inputs, state)
        with torch.autocast("cpu", enabled=False):
            return super().forward(inputs.float(), state and LSTMState(*(part.float() for part in state)))

    def step(self, x: Float[Tensor, "batch input"], state: LSTMState) -> LSTMState:
        """The state after one more input."""
        return LSTMState(*torch.lstm_cell(x, state, *self.weights))

    def gates(self, x: Float[Tensor, "batch input"], state: LSTMState) -> dict[str, Float[Tensor, "batch units"]]:
        """The gates "input" (i), "forget" (f) and "output" (o)."""
        weight_ih, weight_hh, bias_ih, bias_hh = self.weights
        sums = functional.linear(x, weight_ih, bias_ih) + functional.linear(state.hidden, weight_hh, bias_hh)
        i, f, _, o = sums.sigmoid().chunk(4, dim=1)
        return {"input": i, "forget": f, "output": o}


def _lacks_bfloat16(device: str) -> bool:
    """Whether autocast asks oneDNN for what it lacks: an LSTM in bfloat16, on a CPU without such instructions."""
    return (
        device == "cpu"
        and torch.is_autocast_enabled("cpu")
        and torch.get_autocast_dtype("cpu") == torch.bfloat16
        and torch.backends.mkldnn.is_available()
        and not torch.ops.mkldnn._is_mkldnn_bf16_supported()  # noqa: SLF001 no public name
    )

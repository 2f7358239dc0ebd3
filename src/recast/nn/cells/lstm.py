"""The long short-term memory."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from recast.nn.cells.initialise import ChronoSteps, RecurrentInit, chrono_bias, refuse_two_biases
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
        forget_bias: Added to b_if at initialisation. The cell state then decays over about 1 + exp(forget_bias) steps,
            so that a positive value starts the cell with a long memory. Jozefowicz et al. 2015, "An empirical
            exploration of recurrent network architectures", recommend 1.
        chrono: The longest dependency expected in the data, T_max, at least 3; none: no chrono initialisation. It
            spreads out the memories of the units: b_if = log(u) with u uniform on [1, T_max - 1], b_ii = -b_if,
            b_hf = b_hi = 0, so that cell states decay over 2 to T_max steps (Tallec & Ollivier 2018, arXiv 1804.11188,
            section 2). It excludes a `forget_bias` other than 0. [steps]
        recurrent_init: How W_hi, W_hf, W_hg and W_ho start: "uniform" as in torch; each "orthogonal" (Saxe et al. 2014,
            arXiv 1312.6120, section 3); or each the "identity".
        learn_initial_state: Whether the initial state is learnt, starting from zeros; otherwise it is zero.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range, or if both `chrono` and `forget_bias`
            are given.
    """

    state_type = LSTMState
    kind = "lstm"

    @checked
    def __init__(
        self,
        *,
        input_size: PositiveInt,
        hidden_size: PositiveInt = 64,
        forget_bias: float = 3.0,
        chrono: ChronoSteps | None = None,
        recurrent_init: RecurrentInit = "uniform",
        learn_initial_state: bool = False,
    ) -> None:
        refuse_two_biases("LSTM", chrono, "forget_bias", forget_bias)
        super().__init__(
            rnn=nn.LSTM(input_size, hidden_size, batch_first=True),
            recurrent_init=recurrent_init,
            learn_initial_state=learn_initial_state,
        )
        _, _, bias_ih, bias_hh = self.weights
        with torch.no_grad():
            if chrono is None:
                bias_ih[hidden_size : 2 * hidden_size] += forget_bias
            else:
                forget = chrono_bias(hidden_size, chrono)
                bias_ih[: 2 * hidden_size] = torch.cat([-forget, forget])
                bias_hh[: 2 * hidden_size] = 0

    def step(self, x: Float[Tensor, "batch input"], state: LSTMState) -> LSTMState:
        """The state after one more input."""
        return LSTMState(*torch.lstm_cell(x, state, *self.weights))

    def gates(self, x: Float[Tensor, "batch input"], state: LSTMState) -> dict[str, Float[Tensor, "batch units"]]:
        """The gates "input" (i), "forget" (f) and "output" (o)."""
        weight_ih, weight_hh, bias_ih, bias_hh = self.weights
        sums = functional.linear(x, weight_ih, bias_ih) + functional.linear(state.hidden, weight_hh, bias_hh)
        i, f, _, o = sums.sigmoid().chunk(4, dim=1)
        return {"input": i, "forget": f, "output": o}

"""The gated recurrent unit."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from recast.nn.cells.gate_init import ConstantBias, GateInit
from recast.nn.cells.initialise import RecurrentInit
from recast.nn.cells.torch_cell import TorchCell
from recast.options import PositiveInt, checked


class GRUState(NamedTuple):
    """State of `GRU`."""

    hidden: Float[Tensor, "batch hidden"]


class GRU(TorchCell[GRUState]):
    """Gated recurrent unit (Cho et al. 2014, arXiv 1406.1078, section 2.3), in the form of `torch.nn.GRU`.

        r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)           reset gate
        z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)           update gate
        n = tanh(W_in x + b_in + r * (W_hn h + b_hn))        candidate
        h' = (1 - z) * n + z * h

    The weights are those of `torch.nn.GRU`, initialised as there: uniform in ±1/sqrt(hidden_size).

    Args:
        input_size: Number of inputs at each step.
        hidden_size: Number of hidden units.
        gate_init: How the bias of the update gate starts; none: `ConstantBias`, a memory of about 21 steps.
        recurrent_init: How the recurrent weights start; see `recast.nn.cells.initialise.initialise_recurrent`.
        learn_initial_state: Whether the initial state is learnt, starting from zeros; otherwise it is zero.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    state_type = GRUState
    kind = "gru"

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
            rnn=nn.GRU(input_size, hidden_size, batch_first=True),
            recurrent_init=recurrent_init,
            learn_initial_state=learn_initial_state,
        )
        _, _, bias_ih, bias_hh = self.weights
        update = slice(hidden_size, 2 * hidden_size)
        with torch.no_grad():
            (gate_init or ConstantBias()).initialise([bias_ih[update], bias_hh[update]])

    def step(self, x: Float[Tensor, "batch input"], state: GRUState) -> GRUState:
        """The state after one more input."""
        return GRUState(torch.gru_cell(x, state.hidden, *self.weights))

    def gates(self, x: Float[Tensor, "batch input"], state: GRUState) -> dict[str, Float[Tensor, "batch units"]]:
        """The gates "reset" (r) and "update" (z)."""
        weight_ih, weight_hh, bias_ih, bias_hh = (weight[: 2 * self.hidden_size] for weight in self.weights)
        sums = functional.linear(x, weight_ih, bias_ih) + functional.linear(state.hidden, weight_hh, bias_hh)
        reset, update = sums.sigmoid().chunk(2, dim=1)
        return {"reset": reset, "update": update}

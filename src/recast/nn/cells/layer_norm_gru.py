"""The layer-normalised gated recurrent unit."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from recast.nn.cells.gate_init import ConstantBias, GateInit
from recast.nn.cells.initialise import RecurrentInit
from recast.nn.cells.layer_norm_cell import LayerNormCell, SeveralUnits
from recast.options import PositiveInt, checked


class LayerNormGRUState(NamedTuple):
    """State of `LayerNormGRU`."""

    hidden: Float[Tensor, "batch hidden"]


class LayerNormGRU(LayerNormCell[LayerNormGRUState]):
    """Layer-normalised gated recurrent unit (Ba, Kiros & Hinton 2016, arXiv 1607.06450, supplementary material).

        (r, z) = sigmoid(LN(W_i x + b_i; g1, b1) + LN(W_h h; g2, b2))            reset and update gate
        n = tanh(LN(W_in x + b_in; g3, b3) + r * LN(W_hn h; g4, b4))             candidate
        h' = (1 - z) * n + z * h

    The summed inputs from x and from h are normalised separately, those of both gates together, with LN as in
    `LayerNormCell`. There are two differences from the paper. z is 1 - z of the paper, as in `torch.nn.GRU`. The biases
    b_i and b_in within LN are not in its formulas, but in its authors' code; without them the normalised W x would
    retain only the sign of a single input x.

    Args:
        input_size: Number of inputs at each step.
        hidden_size: Number of hidden units, at least 2.
        gate_init: How the bias of the update gate starts; none: `ConstantBias`, a memory of about 21 steps.
        recurrent_init: How the recurrent weights start; see `recast.nn.cells.initialise.initialise_recurrent`.
        learn_initial_state: Whether the initial state is learnt, starting from zeros; otherwise it is zero. LN
            amplifies a state near zero, so that its gradient is large in the first steps of training.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    state_type = LayerNormGRUState

    @checked
    def __init__(
        self,
        *,
        input_size: PositiveInt,
        hidden_size: SeveralUnits = 64,
        gate_init: GateInit | None = None,
        recurrent_init: RecurrentInit = "uniform",
        learn_initial_state: bool = False,
    ) -> None:
        super().__init__(
            input_size=input_size,
            hidden_size=hidden_size,
            blocks=3,
            recurrent_init=recurrent_init,
            learn_initial_state=learn_initial_state,
        )
        self.norm_input_gates = nn.LayerNorm(2 * hidden_size)
        self.norm_hidden_gates = nn.LayerNorm(2 * hidden_size)
        self.norm_input_candidate = nn.LayerNorm(hidden_size)
        self.norm_hidden_candidate = nn.LayerNorm(hidden_size)
        with torch.no_grad():
            (gate_init or ConstantBias()).initialise([self.norm_input_gates.bias[hidden_size:]])

    def read(self, x: Float[Tensor, "*steps input"]) -> Float[Tensor, "*steps units"]:
        """The normalised sums from the input: those of r, z and n."""
        gates, candidate = self._split(functional.linear(x, self.weight_ih, self.bias_ih))
        return torch.cat([self.norm_input_gates(gates), self.norm_input_candidate(candidate)], dim=-1)

    def advance(self, read: Float[Tensor, "batch units"], state: LayerNormGRUState) -> LayerNormGRUState:
        """The state after one more step."""
        gates, candidate = self._split(functional.linear(state.hidden, self.weight_hh))
        read_gates, read_candidate = self._split(read)
        r, z = (read_gates + self.norm_hidden_gates(gates)).sigmoid().chunk(2, dim=1)
        n = torch.tanh(read_candidate + r * self.norm_hidden_candidate(candidate))
        return LayerNormGRUState(n + z * (state.hidden - n))

    def gates(
        self, x: Float[Tensor, "batch input"], state: LayerNormGRUState
    ) -> dict[str, Float[Tensor, "batch units"]]:
        """The gates "reset" (r) and "update" (z)."""
        read, _ = self._split(self.read(x))
        sums, _ = self._split(functional.linear(state.hidden, self.weight_hh))
        reset, update = (read + self.norm_hidden_gates(sums)).sigmoid().chunk(2, dim=1)
        return {"reset": reset, "update": update}

    def _split(self, units: Float[Tensor, "*steps units"]) -> tuple[Tensor, ...]:
        """The part of the gates and that of the candidate."""
        return units.split([2 * self.hidden_size, self.hidden_size], dim=-1)

"""The layer-normalised long short-term memory."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from recast.nn.cells.gate_init import ConstantBias, GateInit
from recast.nn.cells.initialise import RecurrentInit
from recast.nn.cells.layer_norm_cell import LayerNormCell, SeveralUnits
from recast.options import PositiveInt, checked


class LayerNormLSTMState(NamedTuple):
    """State of `LayerNormLSTM`."""

    hidden: Float[Tensor, "batch hidden"]
    cell: Float[Tensor, "batch hidden"]


class LayerNormLSTM(LayerNormCell[LayerNormLSTMState]):
    """Layer-normalised long short-term memory (Ba, Kiros & Hinton 2016, arXiv 1607.06450, supplementary material).

        (i, f, g, o) = LN(W_ih x + b_ih; g1, b1) + LN(W_hh h; g2, b2)
        c' = sigmoid(f) * c + sigmoid(i) * tanh(g)
        h' = sigmoid(o) * tanh(LN(c'; g3, b3))

    The summed inputs from x and from h are normalised separately, those of all gates and of the candidate g together,
    with LN as in `LayerNormCell`; c' itself is passed on unnormalised. There are two differences from the paper. The
    paper's additional bias on both LN is b1 + b2. The bias b_ih within LN is not in its formulas, but in its authors'
    code; without it the normalised W x would retain only the sign of a single input x.

    Args:
        input_size: Number of inputs at each step.
        hidden_size: Number of hidden units, at least 2.
        gate_init: How the biases of the forget gate and of the input gate start; none: `ConstantBias`, a memory of
            about 21 steps.
        recurrent_init: How the recurrent weights start; see `recast.nn.cells.initialise.initialise_recurrent`.
        learn_initial_state: Whether the initial state is learnt, starting from zeros; otherwise it is zero. LN
            amplifies a state near zero, so that its gradient is large in the first steps of training.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    state_type = LayerNormLSTMState

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
            blocks=4,
            recurrent_init=recurrent_init,
            learn_initial_state=learn_initial_state,
        )
        self.norm_input = nn.LayerNorm(4 * hidden_size)
        self.norm_hidden = nn.LayerNorm(4 * hidden_size)
        self.norm_cell = nn.LayerNorm(hidden_size)
        with torch.no_grad():
            i, f, _, _ = self.norm_input.bias.chunk(4)
            (gate_init or ConstantBias()).initialise([f], [i])

    def read(self, x: Float[Tensor, "*steps input"]) -> Float[Tensor, "*steps units"]:
        """LN(W_ih x + b_ih)."""
        return self.norm_input(functional.linear(x, self.weight_ih, self.bias_ih))

    def advance(self, read: Float[Tensor, "batch units"], state: LayerNormLSTMState) -> LayerNormLSTMState:
        """The state after one more step."""
        i, f, g, o = self._sums(read, state).chunk(4, dim=1)
        content = f.sigmoid() * state.cell + i.sigmoid() * g.tanh()
        return LayerNormLSTMState(o.sigmoid() * self.norm_cell(content).tanh(), content)

    def gates(
        self, x: Float[Tensor, "batch input"], state: LayerNormLSTMState
    ) -> dict[str, Float[Tensor, "batch units"]]:
        """The gates "input" (i), "forget" (f) and "output" (o), after the sigmoid."""
        i, f, _, o = self._sums(self.read(x), state).sigmoid().chunk(4, dim=1)
        return {"input": i, "forget": f, "output": o}

    def _sums(self, read: Float[Tensor, "batch units"], state: LayerNormLSTMState) -> Float[Tensor, "batch units"]:
        return read + self.norm_hidden(functional.linear(state.hidden, self.weight_hh))

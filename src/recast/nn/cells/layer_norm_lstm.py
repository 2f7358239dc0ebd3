"""The layer-normalised long short-term memory."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from recast.nn.cells.initialise import ChronoSteps, RecurrentInit, chrono_bias, refuse_two_biases
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
        forget_bias: Initial value of the part of b1 for f. Where the normalised sums are small, the cell state then
            decays over about 1 + exp(forget_bias) steps, so that a positive value starts the cell with a long memory.
        chrono: The longest dependency expected in the data, T_max, at least 3; none: no chrono initialisation. The part
            of b1 for f then starts at log(u) with u uniform on [1, T_max - 1], that for i at -log(u) (Tallec & Ollivier
            2018, arXiv 1804.11188, section 2). It excludes a `forget_bias` other than 0. [steps]
        recurrent_init: How the recurrent weights of each gate and of the candidate start: "uniform" as in torch; each
            "orthogonal" (Saxe et al. 2014, arXiv 1312.6120, section 3); or each the "identity".
        learn_initial_state: Whether the initial state is learnt, starting from zeros; otherwise it is zero. LN
            amplifies a state near zero, so that its gradient is large in the first steps of training.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range, or if both `chrono` and `forget_bias`
            are given.
    """

    state_type = LayerNormLSTMState

    @checked
    def __init__(
        self,
        *,
        input_size: PositiveInt,
        hidden_size: SeveralUnits = 64,
        forget_bias: float = 3.0,
        chrono: ChronoSteps | None = None,
        recurrent_init: RecurrentInit = "uniform",
        learn_initial_state: bool = False,
    ) -> None:
        refuse_two_biases("LayerNormLSTM", chrono, "forget_bias", forget_bias)
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
            if chrono is None:
                f.fill_(forget_bias)
            else:
                f.copy_(chrono_bias(hidden_size, chrono))
                i.copy_(-f)

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

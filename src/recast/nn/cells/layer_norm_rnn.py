"""The layer-normalised simple recurrent cell."""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from recast.nn.cells.initialise import RecurrentInit
from recast.nn.cells.layer_norm_cell import LayerNormCell, SeveralUnits
from recast.options import PositiveInt, checked


class LayerNormRNNState(NamedTuple):
    """State of `LayerNormRNN`."""

    hidden: Float[Tensor, "batch hidden"]


class LayerNormRNN(LayerNormCell[LayerNormRNNState]):
    """Layer-normalised simple recurrent cell (Ba, Kiros & Hinton 2016, arXiv 1607.06450, section 3.1, equation 4).

        a = W_ih x + b_ih + W_hh h
        h' = f(LN(a; g, b))

    Input and state are normalised together, as in the paper, with LN as in `LayerNormCell`. Unlike the paper it has a
    b_ih; without it the first step, from zeros, would retain only the sign of a single input.

    Args:
        input_size: Number of inputs at each step.
        hidden_size: Number of hidden units, at least 2.
        nonlinearity: The function f.
        recurrent_init: How W_hh starts: "uniform" as in torch; "orthogonal" (Saxe et al. 2014, arXiv 1312.6120, section
            3); or the "identity" (Le, Jaitly & Hinton 2015, arXiv 1504.00941, section 3).
        learn_initial_state: Whether the initial state is learnt, starting from zeros; otherwise it is zero.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    state_type = LayerNormRNNState

    @checked
    def __init__(
        self,
        *,
        input_size: PositiveInt,
        hidden_size: SeveralUnits = 64,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        recurrent_init: RecurrentInit = "uniform",
        learn_initial_state: bool = False,
    ) -> None:
        super().__init__(
            input_size=input_size,
            hidden_size=hidden_size,
            blocks=1,
            recurrent_init=recurrent_init,
            learn_initial_state=learn_initial_state,
        )
        self.norm = nn.LayerNorm(hidden_size)
        self._function = torch.tanh if nonlinearity == "tanh" else torch.relu

    def read(self, x: Float[Tensor, "*steps input"]) -> Float[Tensor, "*steps units"]:
        """W_ih x + b_ih."""
        return functional.linear(x, self.weight_ih, self.bias_ih)

    def advance(self, read: Float[Tensor, "batch units"], state: LayerNormRNNState) -> LayerNormRNNState:
        """The state after one more step."""
        return LayerNormRNNState(self._function(self.norm(read + functional.linear(state.hidden, self.weight_hh))))

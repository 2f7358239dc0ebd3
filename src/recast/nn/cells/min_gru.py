"""The minimal gated recurrent unit."""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recast.nn.cells.gate_init import ConstantBias, GateInit
from recast.nn.cells.linear_cell import LinearCell, positive
from recast.options import PositiveInt, checked


class MinGRUState(NamedTuple):
    """State of `MinGRU`."""

    hidden: Float[Tensor, "batch hidden"]


class MinGRU(LinearCell[MinGRUState]):
    """Minimal gated recurrent unit (Feng et al. 2024, "Were RNNs all we needed?", arXiv 2410.01201, section 3.1).

        z = sigmoid(W_z x + b_z)        update gate
        n = g(W_n x + b_n)              candidate
        h' = (1 - z) * n + z * h

    Gate and candidate read the input, but not the state: what a unit keeps cannot depend on its state, and units do not
    interact. Stacking layers compensates. In return, all but the last line is one product for all steps.

    z keeps the state, as in `GRU` here; the z of the paper is 1 - z. Weights and biases start uniform in
    ±1/sqrt(input_size), as in `torch.nn.Linear`.

    Args:
        input_size: Number of inputs at each step.
        hidden_size: Number of hidden units.
        activation: The function g: "linear" (the paper's section 3.1 and appendix A), or "positive", x + 0.5 for
            x >= 0, else sigmoid(x) (appendix B.3, where the logarithm of the state is needed).
        gate_init: How the bias of the update gate starts; none: `ConstantBias`, a memory of about 21 steps.
        learn_initial_state: Whether the initial state is learnt, starting from zeros; otherwise it is zero.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    state_type = MinGRUState

    @checked
    def __init__(
        self,
        *,
        input_size: PositiveInt,
        hidden_size: PositiveInt = 64,
        activation: Literal["linear", "positive"] = "linear",
        gate_init: GateInit | None = None,
        learn_initial_state: bool = False,
    ) -> None:
        super().__init__(input_size=input_size, hidden_size=hidden_size, learn_initial_state=learn_initial_state)
        self.product = nn.Linear(input_size, 2 * hidden_size)
        self.activation = activation
        with torch.no_grad():
            (gate_init or ConstantBias()).initialise([self.product.bias[:hidden_size]])

    def coefficients(
        self, inputs: Float[Tensor, "*steps input"]
    ) -> tuple[Float[Tensor, "*steps hidden"], Float[Tensor, "*steps hidden"]]:
        """The decay z and the drive (1 - z) * n."""
        update, candidate = self.product(inputs).chunk(2, dim=-1)
        if self.activation == "positive":
            candidate = positive(candidate)
        # Not 1 - sigmoid(v), which rounds to zero for v >= 17 in float32.
        return update.sigmoid(), (-update).sigmoid() * candidate

    def gates(self, x: Float[Tensor, "batch input"], state: MinGRUState) -> dict[str, Float[Tensor, "batch units"]]:
        """The update gate z, which keeps the state."""
        decay, _ = self.coefficients(x)
        return {"update": decay}

"""The minimal long short-term memory."""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import softplus

from recast.nn.cells.gate_init import ConstantBias, GateInit
from recast.nn.cells.linear_cell import LinearCell, positive
from recast.options import PositiveInt, checked


class MinLSTMState(NamedTuple):
    """State of `MinLSTM`."""

    hidden: Float[Tensor, "batch hidden"]


class MinLSTM(LinearCell[MinLSTMState]):
    """Minimal long short-term memory (Feng et al. 2024, "Were RNNs all we needed?", arXiv 2410.01201, section 3.2).

        f = sigmoid(W_f x + b_f)            forget gate
        i = sigmoid(W_i x + b_i)            input gate
        n = g(W_n x + b_n)                  candidate
        h' = f / (f + i) * h + i / (f + i) * n

    Gates and candidate read the input, but not the state: what a unit keeps cannot depend on its state, and units do
    not interact. Stacking layers compensates. In return, all but the last line is one product for all steps. The gates
    are normalised to sum to one, so that the state's scale does not depend on the length of the sequence.

    Weights and biases start uniform in ±1/sqrt(input_size), as in `torch.nn.Linear`.

    Args:
        input_size: Number of inputs at each step.
        hidden_size: Number of hidden units.
        activation: The function g: "linear" (the paper's section 3.2 and appendix A), or "positive", x + 0.5 for
            x >= 0, else sigmoid(x) (appendix B.3, where the logarithm of the state is needed).
        gate_init: How the biases of the forget gate and of the input gate start; none: `ConstantBias`, a memory of
            about 21 steps.
        learn_initial_state: Whether the initial state is learnt, starting from zeros; otherwise it is zero.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    state_type = MinLSTMState

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
        self.product = nn.Linear(input_size, 3 * hidden_size)
        self.activation = activation
        with torch.no_grad():
            forget, given, _ = self.product.bias.chunk(3)
            # f alone would not suffice: f / (f + i) stays below 2/3 while i is 1/2, however large b_f is.
            odds = torch.zeros(hidden_size)
            (gate_init or ConstantBias()).initialise([odds, forget, given])
            forget += odds
            given -= odds

    def coefficients(
        self, inputs: Float[Tensor, "*steps input"]
    ) -> tuple[Float[Tensor, "*steps hidden"], Float[Tensor, "*steps hidden"]]:
        """The decay f / (f + i) and the drive i / (f + i) * n."""
        forget, given, candidate = self.product(inputs).chunk(3, dim=-1)
        if self.activation == "positive":
            candidate = positive(candidate)
        # f / (f + i) = sigmoid(log f - log i), which also works where both gates round to zero.
        odds = softplus(-given) - softplus(-forget)
        return odds.sigmoid(), (-odds).sigmoid() * candidate

    def gates(self, x: Float[Tensor, "batch input"], state: MinLSTMState) -> dict[str, Float[Tensor, "batch units"]]:
        """The normalised gates: f / (f + i) and i / (f + i)."""
        decay, _ = self.coefficients(x)
        return {"forget": decay, "input": 1 - decay}

"""The recurrent cell whose inner layer reads the previous output."""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recast.nn.cells.cell import Cell
from recast.options import PositiveInt, checked


class OutputToHiddenState(NamedTuple):
    """State of `OutputToHidden`."""

    hidden: Float[Tensor, "batch hidden"]


class OutputToHidden(Cell[OutputToHiddenState]):
    """Recurrence from the output to the inner layer.

        h' = f(W_ih x + W_oh o + b)         inner layer
        o' = g(W_ho h' + b_o)               output, which is the state

    In the hidden-to-hidden recurrence of `RNN` the inner layer reads its own previous state. Here it reads the previous
    output, so that only what the output shows is remembered. The output serves as readout and memory at once: a narrow
    one, or one trained to be the forecast, loses everything else. In return, a target can replace the state: teacher
    forcing then cuts the recurrence.

    Sources: Jordan 1986, "Serial order: a parallel distributed processing approach"; Goodfellow et al. 2016, "Deep
    learning", section 10.2.1 and figure 10.4.

    Each weight and bias starts uniform in ±1/sqrt(number of inputs of its layer), as in `torch.nn.Linear`.

    Args:
        input_size: Number of inputs at each step.
        hidden_size: Number of outputs o, the only memory.
        inner_size: Number of units h of the inner layer; none: `hidden_size`.
        nonlinearity: The function f.
        output_nonlinearity: The function g. With "linear" the cell is an `RNN` over h whose recurrent matrix W_oh W_ho
            has rank at most `hidden_size`.
        learn_initial_state: Whether the initial state is learnt, starting from zeros; otherwise it is zero.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    state_type = OutputToHiddenState

    @checked
    def __init__(
        self,
        *,
        input_size: PositiveInt,
        hidden_size: PositiveInt = 64,
        inner_size: PositiveInt | None = None,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        output_nonlinearity: Literal["tanh", "relu", "linear"] = "tanh",
        learn_initial_state: bool = False,
    ) -> None:
        super().__init__(input_size=input_size, hidden_size=hidden_size, learn_initial_state=learn_initial_state)
        inner_size = inner_size or hidden_size
        functions = {"tanh": nn.Tanh, "relu": nn.ReLU, "linear": nn.Identity}
        self.inner = nn.Linear(input_size, inner_size)
        self.feedback = nn.Linear(hidden_size, inner_size, bias=False)
        self.output = nn.Linear(inner_size, hidden_size)
        self.nonlinearity = functions[nonlinearity]()
        self.output_nonlinearity = functions[output_nonlinearity]()

    def step(self, x: Float[Tensor, "batch input"], state: OutputToHiddenState) -> OutputToHiddenState:
        """The state after one more input."""
        return OutputToHiddenState(self._next(self.inner(x), state.hidden))

    def forward(
        self, inputs: Float[Tensor, "batch time input"], state: OutputToHiddenState | None = None
    ) -> tuple[Float[Tensor, "batch time hidden"], OutputToHiddenState]:
        """Runs over a sequence, computing the inputs' part of the inner layer first; see `Cell.forward`."""
        output = (self.initial_state(inputs.shape[0], inputs) if state is None else state).hidden
        outputs = []
        for part in self.inner(inputs).unbind(1):
            output = self._next(part, output)
            outputs.append(output)
        return torch.stack(outputs, dim=1), OutputToHiddenState(output)

    def _next(
        self, part: Float[Tensor, "batch inner"], output: Float[Tensor, "batch hidden"]
    ) -> Float[Tensor, "batch hidden"]:
        """The output that follows `output`, given the input's part of the inner layer."""
        inner = torch.addmm(part, output, self.feedback.weight.t())
        return self.output_nonlinearity(self.output(self.nonlinearity(inner)))

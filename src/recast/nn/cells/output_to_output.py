"""The recurrent cell whose output layer reads the previous output."""

from typing import Literal, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

from recast.nn.cells.cell import Cell
from recast.nn.cells.rnn import RNN, RNNState
from recast.options import PositiveInt, checked


class OutputToOutputState(NamedTuple):
    """State of `OutputToOutput`."""

    hidden: Float[Tensor, "batch hidden"]


class OutputToOutput(Cell[OutputToOutputState]):
    """Recurrence from the output to itself, above an inner layer without memory.

        h' = f(W_ih x + b)                          inner layer
        o' = g(W_ho h' + b_ho + W_oo o + b_oo)      output, which is the state

    In the hidden-to-hidden recurrence of `RNN` the inner layer reads its own previous state, and the output layer reads
    the inner layer. Here the inner layer reads only the current input; the output is the only memory, and is combined
    with the input only in the output layer. The output layer is an `RNN` cell that reads h in place of x: the cell can
    remember what an `RNN` of `hidden_size` units can, over better inputs. The three recurrences are drawn side by side
    in Raschka et al. 2022, "Machine learning with PyTorch and Scikit-Learn", chapter 15; for an output that is the only
    memory see Goodfellow et al. 2016, "Deep learning", section 10.2.1.

    Weights and biases start uniform: in ±1/sqrt(input_size) in the inner layer, as in `torch.nn.Linear`; in
    ±1/sqrt(hidden_size) in the output layer, as in `torch.nn.RNN`.

    Args:
        input_size: Number of inputs at each step.
        hidden_size: Number of outputs o, the only memory.
        inner_size: Number of units h of the inner layer; none: `hidden_size`.
        nonlinearity: The function f.
        output_nonlinearity: The function g. "relu" is unbounded: states may grow with the length of the sequence.
        learn_initial_state: Whether the initial state is learnt, starting from zeros; otherwise it is zero.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    state_type = OutputToOutputState

    @checked
    def __init__(
        self,
        *,
        input_size: PositiveInt,
        hidden_size: PositiveInt = 64,
        inner_size: PositiveInt | None = None,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        output_nonlinearity: Literal["tanh", "relu"] = "tanh",
        learn_initial_state: bool = False,
    ) -> None:
        super().__init__(input_size=input_size, hidden_size=hidden_size, learn_initial_state=learn_initial_state)
        inner_size = inner_size or hidden_size
        self.inner = nn.Sequential(
            nn.Linear(input_size, inner_size), nn.Tanh() if nonlinearity == "tanh" else nn.ReLU()
        )
        self.output = RNN(input_size=inner_size, hidden_size=hidden_size, nonlinearity=output_nonlinearity)

    def step(self, x: Float[Tensor, "batch input"], state: OutputToOutputState) -> OutputToOutputState:
        """The state after one more input."""
        return OutputToOutputState(*self.output.step(self.inner(x), RNNState(*state)))

    def forward(
        self, inputs: Float[Tensor, "batch time input"], state: OutputToOutputState | None = None
    ) -> tuple[Float[Tensor, "batch time hidden"], OutputToOutputState]:
        """Runs over a sequence, computing the inner layer first; see `Cell.forward`."""
        before = self.initial_state(inputs.shape[0], inputs) if state is None else state
        outputs, after = self.output(self.inner(inputs), RNNState(*before))
        return outputs, OutputToOutputState(*after)

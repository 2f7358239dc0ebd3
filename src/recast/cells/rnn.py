"""The simple recurrent cell."""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recast.cells.cell import Cell
from recast.options import PositiveInt, checked


class RNNState(NamedTuple):
    """State of `RNN`."""

    hidden: Float[Tensor, "batch hidden"]


class RNN(Cell[RNNState]):
    """Simple recurrent cell (Elman 1990, "Finding structure in time").

        h' = f(W_ih x + b_ih + W_hh h + b_hh)

    The weights are those of `torch.nn.RNN`, initialised as there: uniform in ±1/sqrt(hidden_size).

    Args:
        input_size: Number of inputs at each step.
        hidden_size: Number of hidden units.
        nonlinearity: The function f. "relu" is not bounded: states may grow with the length of the sequence.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    @checked
    def __init__(
        self,
        *,
        input_size: PositiveInt,
        hidden_size: PositiveInt = 64,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
    ) -> None:
        super().__init__(input_size=input_size, hidden_size=hidden_size)
        self.rnn = nn.RNN(input_size, hidden_size, nonlinearity=nonlinearity, batch_first=True)
        self._step = torch.rnn_tanh_cell if nonlinearity == "tanh" else torch.rnn_relu_cell

    def initial_state(self, batch: int, like: Tensor) -> RNNState:
        """A hidden state of zeros; see `Cell.initial_state`."""
        return RNNState(like.new_zeros(batch, self.hidden_size))

    def step(self, x: Float[Tensor, "batch input"], state: RNNState) -> RNNState:
        """The state after one more input."""
        return RNNState(self._step(x, state.hidden, *self.rnn.all_weights[0]))

    def forward(
        self, inputs: Float[Tensor, "batch time input"], state: RNNState | None = None
    ) -> tuple[Float[Tensor, "batch time hidden"], RNNState]:
        """Runs over a sequence in one call of torch; see `Cell.forward`."""
        outputs, hidden = self.rnn(inputs, None if state is None else state.hidden.unsqueeze(0))
        return outputs, RNNState(hidden.squeeze(0))

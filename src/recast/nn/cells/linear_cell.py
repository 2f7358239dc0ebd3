"""Cells whose state enters the next one linearly, with coefficients that the input alone decides."""

from abc import abstractmethod

from jaxtyping import Float
from torch import Tensor

from recast.nn.cells.cell import Cell, State
from recast.nn.cells.scan import scan


class LinearCell(Cell[State]):
    """A cell of the form h' = a(x) * h + b(x), with `hidden` as its whole state.

    A new one inherits from this class, names its `state_type` and writes `coefficients`. As these need no state, they
    are computed for all steps of a sequence at once.
    """

    @abstractmethod
    def coefficients(
        self, inputs: Float[Tensor, "*steps input"]
    ) -> tuple[Float[Tensor, "*steps hidden"], Float[Tensor, "*steps hidden"]]:
        """The decay a, between 0 and 1, and the drive b for each input."""

    def step(self, x: Float[Tensor, "batch input"], state: State) -> State:
        """The state after one more input."""
        decay, drive = self.coefficients(x)
        return self.state_type(decay * state.hidden + drive)

    def forward(
        self, inputs: Float[Tensor, "batch time input"], state: State | None = None
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        """Runs over a sequence, all coefficients first; see `Cell.forward`."""
        before = self.initial_state(len(inputs), inputs) if state is None else state
        start = before.hidden
        # Under autocast the coefficients are coarser than the state, which stays as it is, as in `step`.
        decay, drive = (part.to(start.dtype) for part in self.coefficients(inputs))
        outputs = scan(decay, drive, start)
        return outputs, self.state_type(outputs[:, -1])

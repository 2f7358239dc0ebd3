"""The common part of cells written in torch: one product for the inputs of all steps, then a loop over the rest."""

from abc import abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from recast.nn.cells.cell import Cell, State


class ProjectedCell(Cell[State]):
    """A cell whose step is `advance(read(x), state)`.

    A new one subclasses this, sets `state_type` and implements both.
    """

    @abstractmethod
    def read(self, x: Float[Tensor, "*steps input"]) -> Float[Tensor, "*steps units"]:
        """The contribution of the inputs of one or all steps, independent of the state."""

    @abstractmethod
    def advance(self, read: Float[Tensor, "batch units"], state: State) -> State:
        """The state after one more step, whose input contributes `read`."""

    def step(self, x: Float[Tensor, "batch input"], state: State) -> State:
        """The state after one more input."""
        return self.advance(self.read(x), state)

    def forward(
        self, inputs: Float[Tensor, "batch time input"], state: State | None = None
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        """Runs over a sequence; see `Cell.forward`."""
        if state is None:
            state = self.initial_state(inputs.shape[0], inputs)
        outputs: list[Tensor] = []
        for read in self.read(inputs).unbind(1):
            state = self.advance(read, state)
            outputs.append(state.hidden)
        return torch.stack(outputs, dim=1), state

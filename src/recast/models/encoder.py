"""Reads the context of a batch into recurrent states."""

from collections.abc import Iterator
from typing import Any, cast

from jaxtyping import Float
from torch import Tensor, nn

from recast.cells.cell import Cell
from recast.models.carry import Carry
from recast.models.stack import CellFactory, Stack
from recast.types import Batch


class Encoder(nn.Module):
    """Layers of cells over the context.

    In training it goes on from the states of the batch before where the batch says so; see `Carry`.

    Args:
        cell: Builds one layer from `input_size`.
        input_size: Inputs at each step.
        layers: Number of layers.
        dropout: Probability of dropping an output between layers.
        top: Units of one more layer above these; none: no such layer.
    """

    def __init__(
        self, *, cell: CellFactory, input_size: int, layers: int, dropout: float, top: int | None = None
    ) -> None:
        super().__init__()
        self.stack = Stack(cell=cell, input_size=input_size, layers=layers, dropout=dropout, top=top)
        self.carry = Carry()

    @property
    def hidden_size(self) -> int:
        """Number of outputs at each step."""
        return self.stack.hidden_size

    def output_weights(self) -> Iterator[nn.Parameter]:
        """Weights that act on its outputs alone, see `Cell.output_weights`."""
        return cast("Cell[Any]", self.stack.cells[-1]).output_weights()

    def forward(self, batch: Batch) -> tuple[Float[Tensor, "batch context hidden"], list[Any]]:
        """Outputs of the top layer at each step of the context, and the last state of each layer."""
        if batch.carried is None or not self.training:
            return self.stack(batch.context)
        outputs, states = self.stack(batch.context, self.carry.start(batch, self._initial_states(batch.context)))
        self.carry.keep(batch, states)
        return outputs, states

    def _initial_states(self, context: Float[Tensor, "batch context inputs"]) -> list[Any]:
        cells = (cast("Cell[Any]", cell) for cell in self.stack.cells)
        return [cell.initial_state(len(context), context) for cell in cells]

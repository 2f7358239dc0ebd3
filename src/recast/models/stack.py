"""Layers of recurrent cells, one above the other."""

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from recast.cells.cell import Cell

CellFactory = Callable[..., Cell[Any]]


def given_start(cell: CellFactory) -> CellFactory:
    """The same cell for a network that always starts from a given state: a learnt one would never be trained."""
    return partial(cell, learn_initial_state=False)


class Stack(nn.Module):
    """`layers` cells, each reading the outputs of the one below, with dropout between them (not after the last).

    Args:
        cell: Builds one layer from `input_size`.
        input_size: Inputs at each step.
        layers: Number of layers; with none the outputs are the inputs.
        dropout: Probability of dropping an output between layers.
        top: Units of one more layer above these; none: no such layer.
    """

    def __init__(
        self, *, cell: CellFactory, input_size: int, layers: int, dropout: float, top: int | None = None
    ) -> None:
        super().__init__()
        self.cells = nn.ModuleList()
        self.hidden_size = input_size
        for _ in range(layers):
            self._add(cell(input_size=self.hidden_size))
        if top is not None:
            self._add(cell(input_size=self.hidden_size, hidden_size=top))
        self.dropout = dropout

    @property
    def state_sizes(self) -> list[tuple[int, ...]]:
        """The size of each field of each layer's state."""
        return [cast("Cell[Any]", cell).state_sizes for cell in self.cells]

    def _add(self, cell: Cell[Any]) -> None:
        self.cells.append(cell)
        self.hidden_size = cell.hidden_size

    def forward(
        self, inputs: Float[Tensor, "batch time inputs"], states: list[Any] | None = None
    ) -> tuple[Float[Tensor, "batch time hidden"], list[Any]]:
        """Outputs of the top layer at each step and the last state of each layer (open loop)."""
        outputs = inputs
        last = []
        for layer, cell in enumerate(self.cells):
            if layer:
                outputs = functional.dropout(outputs, self.dropout, self.training)
            outputs, state = cell(outputs, None if states is None else states[layer])
            last.append(state)
        return outputs, last

    def step(
        self, inputs: Float[Tensor, "batch inputs"], states: list[Any]
    ) -> tuple[Float[Tensor, "batch hidden"], list[Any]]:
        """Output of the top layer after one step, and the new states."""
        output = inputs
        new = []
        for layer, state in enumerate(states):
            if layer:
                output = functional.dropout(output, self.dropout, self.training)
            cell = cast("Cell[Any]", self.cells[layer])
            new.append(cell.step(output, state))
            output = new[-1].hidden
        return output, new

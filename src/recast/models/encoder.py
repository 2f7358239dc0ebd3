"""Reads the context of a batch into recurrent states."""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from recast.models.stack import CellFactory, Stack
from recast.types import Batch


class Encoder(nn.Module):
    """Layers of cells over the context.

    Args:
        cell: Builds one layer from `input_size`.
        input_size: Inputs at each step.
        layers: Number of layers.
        dropout: Probability of dropping an output between layers.
    """

    def __init__(self, *, cell: CellFactory, input_size: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.stack = Stack(cell=cell, input_size=input_size, layers=layers, dropout=dropout)

    @property
    def hidden_size(self) -> int:
        """Number of outputs at each step."""
        return self.stack.hidden_size

    def forward(self, batch: Batch) -> tuple[Float[Tensor, "batch context hidden"], list[Any]]:
        """Outputs of the top layer at each step of the context, and the last state of each layer."""
        return self.stack(batch.context)

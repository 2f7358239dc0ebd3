"""Maps a vector to recurrent states."""

from collections.abc import Sequence
from typing import Any, Literal, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recast.nn.cells.cell import Cell

Bound = Literal["tanh", "none"]


class VectorEncoder(nn.Module):
    """A linear map from a vector to a state of each of several cells.

    Args:
        cells: The cells.
        input_size: Numbers in the vector.
        bound: Whether the states are squeezed into (-1, 1) by tanh.
    """

    def __init__(self, *, cells: Sequence[nn.Module], input_size: int, bound: Bound) -> None:
        super().__init__()
        built = [cast("Cell[Any]", cell) for cell in cells]
        self.types = [cell.state_type for cell in built]
        self.sizes = [cell.state_sizes for cell in built]
        self.bound: Bound = bound
        self.map = nn.Linear(input_size, sum(map(sum, self.sizes)))

    def forward(self, vector: Float[Tensor, "batch numbers"]) -> list[Any]:
        """The state of each cell."""
        numbers = self.map(vector)
        if self.bound == "tanh":
            numbers = torch.tanh(numbers)
        parts = iter(numbers.split([size for sizes in self.sizes for size in sizes], dim=-1))
        return [of_type(*(next(parts) for _ in sizes)) for of_type, sizes in zip(self.types, self.sizes, strict=True)]

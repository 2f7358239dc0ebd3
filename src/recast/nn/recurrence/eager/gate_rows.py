"""The layout of the gates in the buffer of a layer."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class GateRows(NamedTuple):
    """Consecutive blocks of rows that receive the products of one weight matrix.

    Attributes:
        first: The first of these blocks.
        gates: For each block, the index of its gate in torch's order.
    """

    first: int
    gates: tuple[int, ...]

    def within(self, hidden: int) -> slice:
        """The rows, if a block has `hidden` of them."""
        return slice(self.first * hidden, (self.first + len(self.gates)) * hidden)

    def packed(self, weight: Float[Tensor, "rows ..."]) -> Float[Tensor, "rows ..."]:
        """Reorders a weight or bias from torch's order of gates to that of these blocks."""
        return _reordered(weight, self.gates)

    def unpacked(self, weight: Float[Tensor, "rows ..."]) -> Float[Tensor, "rows ..."]:
        """Reorders a weight or bias from the order of these blocks to torch's order of gates."""
        return _reordered(weight, tuple(sorted(range(len(self.gates)), key=self.gates.__getitem__)))


def _reordered(weight: Tensor, order: tuple[int, ...]) -> Tensor:
    blocks = weight.chunk(len(order))
    return torch.cat([blocks[number] for number in order])

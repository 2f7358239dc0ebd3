"""Which gates lie where in the buffer of a layer."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor


class GateRows(NamedTuple):
    """Blocks of rows, one after the other, that take the products of one matrix of weights.

    Attributes:
        first: The first of these blocks.
        gates: For each block the gate that it holds, counted in torch's order.
    """

    first: int
    gates: tuple[int, ...]

    def within(self, hidden: int) -> slice:
        """The rows, where a block has `hidden` of them."""
        return slice(self.first * hidden, (self.first + len(self.gates)) * hidden)

    def packed(self, weight: Float[Tensor, "rows ..."]) -> Float[Tensor, "rows ..."]:
        """A weight or bias in torch's order of gates, in the order of these blocks."""
        return _reordered(weight, self.gates)

    def unpacked(self, weight: Float[Tensor, "rows ..."]) -> Float[Tensor, "rows ..."]:
        """A weight or bias in the order of these blocks, in torch's order of gates."""
        return _reordered(weight, tuple(sorted(range(len(self.gates)), key=self.gates.__getitem__)))


def _reordered(weight: Tensor, order: tuple[int, ...]) -> Tensor:
    blocks = weight.chunk(len(order))
    return torch.cat([blocks[number] for number in order])

"""The weights of a layer, and how its buffers need them."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from recast.nn.recurrence.eager.steps import Arithmetic


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


class Weights(NamedTuple):
    """Weights of a layer, as torch has them."""

    input: Float[Tensor, "gates inputs"]
    hidden: Float[Tensor, "gates hidden"]
    input_bias: Float[Tensor, " gates"]
    hidden_bias: Float[Tensor, " gates"]


class PackedWeights:
    """Weights with their rows in the order of the blocks of a buffer.

    A layer's inputs come in two parts. Some are *fed* as the loop runs, the first columns of weight_ih; the others are
    *given* for all steps before it begins.

    Args:
        cell: The kind of the layer.
        weights: Its weights.
        fed: How many of its inputs are fed.

    Attributes:
        cell: The kind of the layer.
        hidden_size: Number of its outputs.
        fed: How many of its inputs are fed.
        of_inputs: Rows that the inputs add to.
        of_hidden: Rows that the outputs add to, the first ones.
        of_steps: Rows that what a step reads adds to, the first ones.
        bias: Both biases together, for all rows.
        given: The weights of given inputs, for the rows `of_inputs`.
        product: The weights of what a step reads, its output before and fed inputs, for the rows `of_steps`.
    """

    def __init__(self, cell: Arithmetic, weights: Weights, fed: int) -> None:
        self.cell = cell
        self.hidden_size = weights.hidden.shape[1]
        self.fed = fed
        self.of_inputs = cell.inputs.within(self.hidden_size)
        self.of_hidden = cell.hidden.within(self.hidden_size)
        rows = cell.blocks * self.hidden_size
        self.of_steps = slice(0, rows) if fed else self.of_hidden
        self.bias = weights.input_bias.new_zeros(rows)
        self.bias[self.of_inputs] += cell.inputs.packed(weights.input_bias)
        self.bias[self.of_hidden] += cell.hidden.packed(weights.hidden_bias)
        inputs = cell.inputs.packed(weights.input)
        self.given = inputs[:, fed:]
        self.product = weights.hidden.new_zeros(self.of_steps.stop, self.hidden_size + fed)
        self.product[self.of_hidden, : self.hidden_size] = cell.hidden.packed(weights.hidden)
        if fed:
            self.product[self.of_inputs, self.hidden_size :] = inputs[:, :fed]

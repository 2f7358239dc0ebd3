"""The weights of a layer, and their layout for its buffers."""

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor

from recast.nn.recurrence.eager.steps import CellSteps


class Weights(NamedTuple):
    """Weights of a layer, in torch's layout."""

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
        of_inputs: Rows that the inputs contribute to.
        of_hidden: Rows that the outputs contribute to, the first ones.
        of_steps: Rows that the reads of a step contribute to, the first ones.
        bias: Both biases together, for all rows.
        given: The weights of given inputs, for the rows `of_inputs`.
        product: The weights of what a step reads, the previous output and fed inputs, for the rows `of_steps`.
    """

    def __init__(self, cell: CellSteps, weights: Weights, fed: int) -> None:
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

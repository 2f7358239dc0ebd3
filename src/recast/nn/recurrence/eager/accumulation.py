"""Gradients of weights and given inputs, accumulated in the backward pass."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from recast.nn.recurrence.eager.steps import Tape
from recast.nn.recurrence.eager.weights import PackedWeights


class Wanted(NamedTuple):
    """Which gradients of a layer's inputs and weights are needed."""

    given: bool
    input: bool
    hidden: bool
    input_bias: bool
    hidden_bias: bool


class Gradients(NamedTuple):
    """Gradients of a layer's inputs and weights; None where not needed."""

    given: Float[Tensor, "time given batch"] | None
    input: Float[Tensor, "gates inputs"] | None
    hidden: Float[Tensor, "gates hidden"] | None
    input_bias: Float[Tensor, " gates"] | None
    hidden_bias: Float[Tensor, " gates"] | None


class GradientAccumulator:
    """Accumulates the gradients of a layer's steps, a chunk of steps at a time: one product per weight matrix.

    Args:
        weights: The layer's weights.
        tape: The saved activations of its steps.
        given: Its given inputs.
        wanted: Which gradients are needed; the others are not computed.
    """

    def __init__(
        self, weights: PackedWeights, tape: Tape, given: Float[Tensor, "time given batch"], wanted: Wanted
    ) -> None:
        self._weights = weights
        self._read = tape.read[:-1]
        self._given = given
        self._wanted = wanted
        self._of_given = torch.empty_like(given, memory_format=torch.contiguous_format) if wanted.given else None
        self._of_given_weights = torch.zeros_like(weights.given) if wanted.input else None
        products = wanted.hidden or (wanted.input and weights.fed > 0)
        self._of_product = torch.zeros_like(weights.product) if products else None
        self._of_bias = torch.zeros_like(weights.bias) if wanted.input_bias or wanted.hidden_bias else None

    def add(self, by_gate: Tensor, steps: slice) -> None:
        """Adds the contribution of some steps.

        Args:
            by_gate: Gradients of their pre-activations, shape (steps, gates, batch).
            steps: Which steps they are.
        """
        inputs = self._weights.of_inputs
        if self._of_given is not None:
            torch.matmul(self._weights.given.t(), by_gate[:, inputs], out=self._of_given[steps])
        if not any(self._wanted[1:]):
            return
        rows = side_by_side(by_gate)
        if self._of_given_weights is not None:
            self._of_given_weights.addmm_(rows[inputs], side_by_side(self._given[steps]).t())
        if self._of_product is not None:
            self._of_product.addmm_(rows[self._weights.of_steps], side_by_side(self._read[steps]).t())
        if self._of_bias is not None:
            self._of_bias += rows.sum(1)

    def gradients(self) -> Gradients:
        """The requested gradients, once all steps have been added."""
        cell, hidden_size = self._weights.cell, self._weights.hidden_size
        inputs, hidden = self._weights.of_inputs, self._weights.of_hidden
        of_input = of_hidden = None
        if self._of_given_weights is not None:
            of_input = self._of_given_weights
            if self._of_product is not None and self._weights.fed:
                of_input = torch.cat([self._of_product[inputs, hidden_size:], of_input], dim=1)
            of_input = cell.inputs.unpacked(of_input)
        if self._of_product is not None and self._wanted.hidden:
            of_hidden = cell.hidden.unpacked(self._of_product[hidden, :hidden_size])
        bias = self._of_bias
        return Gradients(
            given=self._of_given,
            input=of_input,
            hidden=of_hidden,
            input_bias=None if bias is None or not self._wanted.input_bias else cell.inputs.unpacked(bias[inputs]),
            hidden_bias=None if bias is None or not self._wanted.hidden_bias else cell.hidden.unpacked(bias[hidden]),
        )


def side_by_side(steps: Float[Tensor, "time rows batch"]) -> Float[Tensor, "rows all"]:
    """The rows of all steps, concatenated."""
    return steps.transpose(0, 1).flatten(1)

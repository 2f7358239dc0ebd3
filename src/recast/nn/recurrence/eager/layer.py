"""One layer: the forward pass onto a new tape, and the backward pass along it."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from recast.nn.recurrence.eager.accumulation import GradientAccumulator, Wanted
from recast.nn.recurrence.eager.steps import Backward, Forward, Tape
from recast.nn.recurrence.eager.weights import PackedWeights


def forward_steps(
    weights: PackedWeights, given: Float[Tensor, "time given batch"], state: Sequence[Float[Tensor, "batch hidden"]]
) -> tuple[Tape, Forward]:
    """A tape with everything known before the first step, and the steps that will write the rest.

    Args:
        weights: The layer's weights.
        given: Given inputs.
        state: The fields of its initial state.
    """
    time, _, batch = given.shape
    tape = Tape.blank(given, cell=weights.cell, time=time, batch=batch, hidden=weights.hidden_size, fed=weights.fed)
    for number, field in enumerate(state):
        tape.field(number)[0].copy_(field.t())
    bias = weights.bias.unsqueeze(1)
    rows = weights.of_inputs
    tape.gates[:, : rows.start] = bias[: rows.start]
    torch.baddbmm(
        bias[rows].expand(time, -1, batch),
        weights.given.expand(time, -1, -1),
        given,
        out=tape.gates[:, rows],
    )
    return tape, weights.cell.forward(tape, weights.product, weights.of_steps)


def backward_steps(
    weights: PackedWeights, tape: Tape, given: Float[Tensor, "time given batch"], wanted: Wanted
) -> tuple[Backward, GradientAccumulator]:
    """The backward pass along a tape, and its gradient accumulator.

    Args:
        weights: The layer's weights.
        tape: The activations saved by the forward pass.
        given: Given inputs.
        wanted: Which gradients are accumulated.
    """
    accumulator = GradientAccumulator(weights, tape, given, wanted)
    return weights.cell.backward(tape, weights.product, weights.of_steps, accumulator.add), accumulator

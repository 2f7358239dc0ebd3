"""An open loop of one layer, as one autograd operation."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor
from torch.autograd.function import Function, once_differentiable

from recast.nn.recurrence.eager.accumulation import Wanted
from recast.nn.recurrence.eager.layer import backward_steps, forward_steps
from recast.nn.recurrence.eager.steps import CellSteps, Tape
from recast.nn.recurrence.eager.weights import PackedWeights, Weights


class OpenPassOptions(NamedTuple):
    """What a pass computes.

    Attributes:
        cell: The kind of the layer.
        at: Numbers of steps, ascending, after which the states are requested.
        outputs_from: First step whose output is requested.
    """

    cell: CellSteps
    at: tuple[int, ...]
    outputs_from: int


class OpenPass(Function):
    """`(options, given, *states, *weights)` to `(outputs, *states)`.

    `given`, the outputs and the resulting states are feature-major, (time, features, batch); initial states are (batch,
    hidden).
    """

    @staticmethod
    def forward(ctx: Any, options: OpenPassOptions, given: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        """Runs over all steps."""
        states, weights = rest[: options.cell.fields], Weights(*rest[options.cell.fields :])
        tape, steps = forward_steps(PackedWeights(options.cell, weights, fed=0), given, states)
        for t in range(len(given)):
            steps.step(t)
        ctx.options = options
        ctx.save_for_backward(given, *weights, *tape.tensors)
        ctx.set_materialize_grads(False)
        found = (tape.field(number)[list(options.at)] for number in range(options.cell.fields))
        return (tape.field(0)[options.outputs_from + 1 :], *found)

    @staticmethod
    # The decorator's type has no argument names.
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grad_outputs: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """Gradients of given inputs, states and weights."""
        options: OpenPassOptions = ctx.options
        given, *rest = ctx.saved_tensors
        number = len(Weights._fields)
        weights = PackedWeights(options.cell, Weights(*rest[:number]), fed=0)
        tape = Tape.of(rest[number:], weights.hidden_size)
        _, wants_given, *needed = ctx.needs_input_grad
        back, accumulator = backward_steps(weights, tape, given, Wanted(wants_given, *needed[options.cell.fields :]))
        of_outputs, *of_states = (None if gradient is None else gradient.unbind(0) for gradient in grad_outputs)
        place = {steps: number for number, steps in enumerate(options.at)}
        for t in reversed(range(len(given))):
            if of_outputs is not None and t >= options.outputs_from:
                back.state[0].add_(of_outputs[t - options.outputs_from])
            if t + 1 in place:
                _add(back.state, of_states, place[t + 1])
            back.step(t)
        of_given, *of_weights = accumulator.gradients()
        return (None, of_given, *(field.t() for field in back.state), *of_weights)


def _add(state: Sequence[Tensor], gradients: Sequence[Sequence[Tensor] | None], place: int) -> None:
    """Adds the upstream gradients of a requested state to those of the steps after it."""
    for field, gradient in zip(state, gradients, strict=True):
        if gradient is not None:
            field.add_(gradient[place])

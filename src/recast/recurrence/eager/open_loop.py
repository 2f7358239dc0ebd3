"""An open loop of one layer, as one operation of autograd."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor
from torch.autograd.function import Function, once_differentiable

from recast.recurrence.eager.gathering import Wanted
from recast.recurrence.eager.layer import backward_steps, forward_steps
from recast.recurrence.eager.steps import Arithmetic, Tape
from recast.recurrence.eager.weights import Arranged, Weights


class Asked(NamedTuple):
    """What a pass is asked for.

    Attributes:
        cell: The kind of the layer.
        at: Counts of steps, ascending, after which the states are asked for.
        outputs_from: First step whose output is asked for.
    """

    cell: Arithmetic
    at: tuple[int, ...]
    outputs_from: int


class OpenPass(Function):
    """`(asked, given, *states, *weights)` to `(outputs, *states)`.

    `given`, the outputs and the states found are feature-major, (time, features, batch); states before the first step
    are (batch, hidden).
    """

    @staticmethod
    def forward(ctx: Any, asked: Asked, given: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
        """Runs over all steps."""
        states, weights = rest[: asked.cell.fields], Weights(*rest[asked.cell.fields :])
        tape, steps = forward_steps(Arranged(asked.cell, weights, fed=0), given, states)
        for t in range(len(given)):
            steps.step(t)
        ctx.asked = asked
        ctx.save_for_backward(given, *weights, *tape.tensors)
        ctx.set_materialize_grads(False)
        found = (tape.field(number)[list(asked.at)] for number in range(asked.cell.fields))
        return (tape.field(0)[asked.outputs_from + 1 :], *found)

    @staticmethod
    # The decorator's type has no names of arguments.
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grad_outputs: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """Gradients of given inputs, states and weights."""
        asked: Asked = ctx.asked
        given, *rest = ctx.saved_tensors
        number = len(Weights._fields)
        weights = Arranged(asked.cell, Weights(*rest[:number]), fed=0)
        tape = Tape.of(rest[number:], weights.hidden_size)
        _, wants_given, *needed = ctx.needs_input_grad
        back, gathering = backward_steps(weights, tape, given, Wanted(wants_given, *needed[asked.cell.fields :]))
        of_outputs, *of_states = (None if gradient is None else gradient.unbind(0) for gradient in grad_outputs)
        place = {steps: number for number, steps in enumerate(asked.at)}
        for t in reversed(range(len(given))):
            if of_outputs is not None and t >= asked.outputs_from:
                back.state[0].add_(of_outputs[t - asked.outputs_from])
            if t + 1 in place:
                _add(back.state, of_states, place[t + 1])
            back.step(t)
        of_given, *of_weights = gathering.gradients()
        return (None, of_given, *(field.t() for field in back.state), *of_weights)


def _add(state: Sequence[Tensor], gradients: Sequence[Sequence[Tensor] | None], place: int) -> None:
    """Adds the gradients of a state that was asked for to those of the steps after it."""
    for field, gradient in zip(state, gradients, strict=True):
        if gradient is not None:
            field.add_(gradient[place])

"""Plain torch operations, with a hand-written backward pass."""

from typing import Any, ClassVar, final

from torch import Tensor
from torch.autograd.function import Function, once_differentiable

from recast.nn.recurrence.eager.closed_loop import LoopStructure, backward, forward, structure_and_tensors
from recast.nn.recurrence.eager.open_loop import OpenPass, OpenPassOptions
from recast.nn.recurrence.eager.supported import CELL_STEPS, common_kind, slower_than_torch
from recast.nn.recurrence.implementation import Implementation
from recast.nn.recurrence.refusals import common_refusal
from recast.nn.recurrence.request import ClosedLoop, OpenLoop, Rollout, Unrolled


@final
class Autograd(Implementation):
    """Backpropagation through time as a single autograd operation, on any device.

    The forward pass saves the gates. In the backward pass, each step multiplies its gradient by local derivatives that
    are computed for a chunk of steps at once, and each weight gradient is one product per chunk. Second derivatives are
    not supported, nor, in closed loops, gradients of the factors between the layers.
    """

    name: ClassVar[str] = "autograd"

    def refusal(self, request: OpenLoop | ClosedLoop) -> str | None:
        """Unsupported: cells other than torch's three, and loops that torch's own calls run faster."""
        return common_refusal(request) or slower_than_torch(request)

    def sequence(self, request: OpenLoop) -> Unrolled:
        """Runs an open loop."""
        given = request.inputs.permute(1, 2, 0)
        cell = CELL_STEPS[common_kind(request.layers)]
        found = []
        last = len(request.layers) - 1
        for number, (layer, start) in enumerate(zip(request.layers, request.states, strict=True)):
            if number and request.dropout:
                given = given * request.dropout[number - 1].permute(1, 2, 0)
            state = layer.initial_state(len(request.inputs), request.inputs) if start is None else start
            options = OpenPassOptions(cell, request.at, request.outputs_from if number == last else 0)
            given, *fields = OpenPass.apply(options, given, *state, *layer.weights)
            found.append(state._make(field.permute(2, 0, 1) for field in fields))
        return Unrolled(given.permute(2, 0, 1), found)

    def decode(self, request: ClosedLoop) -> Rollout:
        """Runs a closed loop."""
        structure, tensors = structure_and_tensors(request)
        values = _ClosedPass.apply(structure, *tensors.flat)
        return Rollout(values.unsqueeze(-1), values)


class _ClosedPass(Function):
    """`(structure, *tensors)` to the values of all leads; see `recast.nn.recurrence.eager.closed_loop`."""

    @staticmethod
    def forward(ctx: Any, structure: LoopStructure, *row: Any) -> Tensor:
        values, kept = forward(structure, structure.tensors(row))
        ctx.structure, ctx.tensors = structure, len(row)
        ctx.save_for_backward(*row, *kept)
        return values

    @staticmethod
    # The decorator's type has no argument names.
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, ...]:
        structure: LoopStructure = ctx.structure
        (gradient,) = grad_outputs
        _, *wanted = ctx.needs_input_grad
        saved = ctx.saved_tensors
        tensors, kept = structure.tensors(saved[: ctx.tensors]), saved[ctx.tensors :]
        return (None, *backward(structure, tensors, kept, gradient, structure.tensors(wanted)).flat)

"""In plain torch, with the way back written by hand."""

from typing import Any, ClassVar, final

from torch import Tensor
from torch.autograd.function import Function, once_differentiable

from recast.recurrence.eager.closed_loop import Plan, backward, forward, planned
from recast.recurrence.eager.kinds import ARITHMETIC, common_kind
from recast.recurrence.eager.open_loop import Asked, OpenPass
from recast.recurrence.eager.worthwhile import slower_than_torch
from recast.recurrence.implementation import Implementation
from recast.recurrence.refusals import common_refusal
from recast.recurrence.request import ClosedLoop, OpenLoop, Rollout, Unrolled


@final
class Autograd(Implementation):
    """Backpropagation through time as one operation of autograd, on any device.

    The forward pass keeps the gates. On the way back a step multiplies its gradient with derivatives that were computed
    for many steps at once, and a matrix of weights has one product for as many. There are no second derivatives, and in
    closed loops none of the factors between the layers.
    """

    name: ClassVar[str] = "autograd"

    def refusal(self, request: OpenLoop | ClosedLoop) -> str | None:
        """Cells other than the three of torch, and loops that torch's own calls run faster."""
        return common_refusal(request) or slower_than_torch(request)

    def sequence(self, request: OpenLoop) -> Unrolled:
        """Runs an open loop."""
        given = request.inputs.permute(1, 2, 0)
        cell = ARITHMETIC[common_kind(request.layers)]
        found = []
        last = len(request.layers) - 1
        for number, (layer, start) in enumerate(zip(request.layers, request.states, strict=True)):
            if number and request.dropout:
                given = given * request.dropout[number - 1].permute(1, 2, 0)
            state = layer.initial_state(len(request.inputs), request.inputs) if start is None else start
            asked = Asked(cell, request.at, request.outputs_from if number == last else 0)
            given, *fields = OpenPass.apply(asked, given, *state, *layer.weights)
            found.append(type(state)(*(field.permute(2, 0, 1) for field in fields)))
        return Unrolled(given.permute(2, 0, 1), found)

    def decode(self, request: ClosedLoop) -> Rollout:
        """Runs a closed loop."""
        plan, entered = planned(request)
        values = _ClosedPass.apply(plan, *entered.row)
        return Rollout(values.unsqueeze(-1), values)


class _ClosedPass(Function):
    """`(plan, *entered)` to the values of all leads; see `recast.recurrence.eager.closed_loop`."""

    @staticmethod
    def forward(ctx: Any, plan: Plan, *row: Any) -> Tensor:
        values, kept = forward(plan, plan.entered(row))
        ctx.plan, ctx.entered = plan, len(row)
        ctx.save_for_backward(*row, *kept)
        return values

    @staticmethod
    # The decorator's type has no names of arguments.
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *grad_outputs: Tensor
    ) -> tuple[Tensor | None, ...]:
        plan: Plan = ctx.plan
        (gradient,) = grad_outputs
        _, *wanted = ctx.needs_input_grad
        saved = ctx.saved_tensors
        entered, kept = plan.entered(saved[: ctx.entered]), saved[ctx.entered :]
        return (None, *backward(plan, entered, kept, gradient, plan.entered(wanted)).row)

"""Both operations as one function of torch's autograd."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from recast.recurrence.compiled.kernels import Kernels
from recast.recurrence.compiled.packing import Plan
from recast.recurrence.compiled.task import Asked, Block, Slopes, Task
from recast.recurrence.compiled.unroll import advance, go_back


class Call(NamedTuple):
    """What a loop is made of besides the tensors that have gradients.

    keep: whether gradients are enabled, which `Unroll` cannot see; threads: blocks of rows that run side by side; at,
    outputs_from: as in `OpenLoop`; drop: factors between layers; mask, detach: as in `ClosedLoop`; residual: as in
    `Readout`.
    """

    plan: Plan
    kernels: Kernels
    keep: bool
    threads: int
    at: tuple[int, ...] = ()
    outputs_from: int = 0
    drop: tuple[Tensor, ...] = ()
    mask: Tensor | None = None
    detach: bool = False
    residual: bool = False


class Unroll(torch.autograd.Function):
    """Runs a loop.

    Takes a `Call`, the inputs (batch, time, inputs), the base forecast and the truth (batch, time, targets) or None,
    the states of the first step, one tensor for each layer and field, and the weights, one layer after the other, the
    readout's last.
    Gives the outputs of the top layer, or the values of a closed loop; then for each layer and field the states asked
    for.
    """

    @staticmethod
    def forward(
        ctx: Any, call: Call, inputs: Tensor, base: Tensor | None, truth: Tensor | None, *rest: Tensor
    ) -> tuple[Tensor, ...]:
        """Runs it forth."""
        plan = call.plan
        starts = len(plan.sizes) * plan.fields
        states, weights = rest[:starts], rest[starts:]
        task = Task(
            plan=plan,
            weights=plan.pack([_array(weight) for weight in weights]),
            inputs=_array(inputs),
            states=plan.by_layer([_array(state) for state in states]),
            drop=[_array(factors) for factors in call.drop],
            threads=call.threads,
            truth=None if truth is None else _array(truth),
            mask=None if call.mask is None else _array(call.mask),
            base=None if base is None else _array(base),
            detach=call.detach,
            residual=call.residual,
        )
        keep = call.keep and any(ctx.needs_input_grad)
        first, found, done = advance(task, Asked(call.at, call.outputs_from), call.kernels, keep=keep)
        if keep:
            ctx.set_materialize_grads(False)
            ctx.call, ctx.task, ctx.rows = call, task, [block.rows for block in done]
            # Kept by autograd, they are freed after the way back, and a weight changed in between is noticed.
            ctx.save_for_backward(*weights, *(torch.from_numpy(part) for block in done for part in block[1:]))
        return tuple(map(torch.from_numpy, (first, *found)))

    @staticmethod
    # The decorator's type has no names of arguments.
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *slopes: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """Goes back."""
        call, task, plan = ctx.call, ctx.task, ctx.call.plan
        saved = [part.numpy() for part in ctx.saved_tensors[-len(Block._fields[1:]) * len(ctx.rows) :]]
        parts = iter(saved)
        done = [Block(rows, *(next(parts) for _ in Block._fields[1:])) for rows in ctx.rows]
        first, *others = (None if slope is None else _array(slope) for slope in slopes)
        closed = task.closed
        outer = Slopes(
            values=first if closed else None,
            outputs=None if closed else first,
            outputs_from=call.outputs_from,
            states=plan.by_layer(others),
            at=call.at,
        )
        _, wants_inputs, wants_base, wants_truth, *wants_rest = ctx.needs_input_grad
        found = go_back(task, done, outer, call.kernels, inputs_wanted=wants_inputs or wants_truth)
        rest = [*(field for fields in found.states for field in fields), *found.weights]
        wanted = [wants_inputs, wants_base, wants_truth, *wants_rest]
        truth = _of_truth(found.inputs, plan.targets) if wants_truth else None
        gradients = [found.inputs, found.base, truth, *rest]
        return None, *(
            torch.from_numpy(gradient) if want and gradient is not None else None
            for want, gradient in zip(wanted, gradients, strict=True)
        )


def _of_truth(inputs: np.ndarray | None, targets: int) -> np.ndarray | None:
    """What was read at a lead is the truth of the lead before; where a value was read instead there is zero."""
    if inputs is None:
        return None
    last = np.zeros_like(inputs[:, :1, :targets])
    return np.concatenate([inputs[:, 1:, :targets], last], axis=1)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().numpy()

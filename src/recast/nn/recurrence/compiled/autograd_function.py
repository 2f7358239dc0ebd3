"""Open and closed loops as one autograd function."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from recast.nn.recurrence.compiled.kernels import Kernels
from recast.nn.recurrence.compiled.loop import Loop, SavedActivations, Selection, UpstreamGradients
from recast.nn.recurrence.compiled.packing import Packing
from recast.nn.recurrence.compiled.passes import run_backward, run_forward


class LoopCall(NamedTuple):
    """The arguments of a loop other than the tensors with gradients.

    Attributes:
        packing: Sizes of the network, and the layout of its weights.
        kernels: The compiled loops.
        keep: Whether gradients are enabled, which `CompiledLoop` cannot see.
        threads: Blocks of rows that run in parallel.
        wanted: Which results of an open loop are requested.
        dropout: Factors between layers.
        mask: As in `ClosedLoop`.
        detach: As in `ClosedLoop`.
        residual: As in `Readout`.
    """

    packing: Packing
    kernels: Kernels
    keep: bool
    threads: int
    wanted: Selection = Selection(at=(), outputs_from=0)
    dropout: tuple[Tensor, ...] = ()
    mask: Tensor | None = None
    detach: bool = False
    residual: bool = False


class CompiledLoop(torch.autograd.Function):
    """Runs a loop.

    Takes a `LoopCall`, the inputs (batch, time, inputs), base forecast and truth (batch, time, targets) or None, the
    initial states, one tensor for each layer and field, and the weights, layer by layer, the readout's last. Gives
    the outputs of the top layer, or the values of a closed loop; then for each layer and field the requested states.
    """

    @staticmethod
    def forward(
        ctx: Any, call: LoopCall, inputs: Tensor, base: Tensor | None, truth: Tensor | None, *rest: Tensor
    ) -> tuple[Tensor, ...]:
        """The forward pass."""
        packing = call.packing
        starts = len(packing.sizes) * packing.fields
        states, weights = rest[:starts], rest[starts:]
        loop = Loop(
            packing=packing,
            weights=packing.pack([_array(weight) for weight in weights]),
            inputs=_array(inputs),
            states=packing.by_layer([_array(state) for state in states]),
            dropout=[_array(factors) for factors in call.dropout],
            threads=call.threads,
            truth=None if truth is None else _array(truth),
            mask=None if call.mask is None else _array(call.mask),
            base=None if base is None else _array(base),
            detach=call.detach,
            residual=call.residual,
        )
        keep = call.keep and any(ctx.needs_input_grad)
        first, found, saved = run_forward(loop, call.wanted, call.kernels, keep=keep)
        if keep:
            ctx.set_materialize_grads(False)
            ctx.call, ctx.loop, ctx.rows = call, loop, [block.rows for block in saved]
            # Saved by autograd, they are freed after the backward pass, and in-place changes of weights are detected.
            ctx.save_for_backward(*weights, *(torch.from_numpy(part) for block in saved for part in block[1:]))
        return tuple(map(torch.from_numpy, (first, *found)))

    @staticmethod
    # The decorator's type has no argument names.
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *upstream: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        """The backward pass."""
        call, loop, packing = ctx.call, ctx.loop, ctx.call.packing
        arrays = SavedActivations._fields[1:]
        parts = iter([part.numpy() for part in ctx.saved_tensors[-len(arrays) * len(ctx.rows) :]])
        saved = [SavedActivations(rows, *(next(parts) for _ in arrays)) for rows in ctx.rows]
        first, *others = (None if gradient is None else _array(gradient) for gradient in upstream)
        gradients = UpstreamGradients(
            of=call.wanted,
            values=first if loop.closed else None,
            outputs=None if loop.closed else first,
            states=packing.by_layer(others),
        )
        _, inputs_learn, base_learns, truth_learns, *rest_learns = ctx.needs_input_grad
        found = run_backward(loop, saved, gradients, call.kernels, inputs_learn=inputs_learn or truth_learns)
        rest = [*(field for fields in found.states for field in fields), *found.weights]
        learning = [inputs_learn, base_learns, truth_learns, *rest_learns]
        truth = _of_truth(found.inputs, packing.targets) if truth_learns else None
        return None, *(
            torch.from_numpy(gradient) if learns and gradient is not None else None
            for learns, gradient in zip(learning, [found.inputs, found.base, truth, *rest], strict=True)
        )


def _of_truth(inputs: np.ndarray | None, targets: int) -> np.ndarray | None:
    """Shifts gradients of the inputs to the truth of the previous lead; zero where a value was fed instead."""
    if inputs is None:
        return None
    last = np.zeros_like(inputs[:, :1, :targets])
    return np.concatenate([inputs[:, 1:, :targets], last], axis=1)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().numpy()

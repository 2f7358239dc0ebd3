"""Both passes of `unit_loop` over a batch, as one autograd function."""

from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import Function, once_differentiable
from torch.nn import functional

from recast.nn.recurrence.compiled.kernels import Kernels
from recast.nn.recurrence.compiled.layout import PANEL_COLUMNS, round_up
from recast.nn.recurrence.compiled.rows import RowBlock, blocks, in_threads
from recast.nn.recurrence.compiled.unit_cells import UnitCell, dense
from recast.nn.recurrence.compiled.unit_loop import GATES


class UnitCall(NamedTuple):
    """The arguments of a layer's loop other than the tensors with gradients.

    Attributes:
        cell: The kind of cell.
        kernels: Its compiled loops.
        keep: Whether gradients are enabled, which the function cannot see.
        threads: Blocks of rows that run in parallel.
        at: Numbers of steps after which the states are requested.
    """

    cell: UnitCell
    kernels: Kernels
    keep: bool
    threads: int
    at: tuple[int, ...]


def run_layer(call: UnitCall, inputs: Tensor, state: Any, weights: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """The outputs of a layer, (batch, time, units), and each field of the requested states, (batch, at, units).

    Args:
        call: How it runs.
        inputs: (batch, time, inputs).
        state: The state before the first step.
        weights: weight_ih, weight_hh, the bias, and those of the cell's own.
    """
    weight_ih, weight_hh, bias, *own = weights
    # One product for all steps, whose gradients are torch's.
    read = functional.linear(inputs, weight_ih, bias)
    outputs, *fields = _UnitLoop.apply(call, read, dense(weight_hh), len(state), *state, *own)
    return outputs, fields


class _Saved(NamedTuple):
    rows: RowBlock
    gates: np.ndarray
    states: np.ndarray


class _UnitLoop(Function):
    """`(call, read, matrices, fields, *state, *own weights)` to the outputs and each field of the requested states."""

    @staticmethod
    def forward(
        ctx: Any, call: UnitCall, read: Tensor, matrices: Tensor, fields: int, *rest: Tensor
    ) -> tuple[Tensor, ...]:
        batch, time, _ = read.shape
        hidden = matrices.shape[1]
        starts, own = rest[:fields], rest[fields:]
        outputs = read.new_empty(batch, time, hidden)
        found = [read.new_empty(batch, len(call.at), hidden) for _ in range(fields)]
        transposed = _padded(matrices.transpose(1, 2))
        keep = call.keep and any(ctx.needs_input_grad)

        def run(rows: RowBlock) -> _Saved | None:
            gates, states = _arrays(read, starts, rows, transposed.shape[1])
            _, steps, room, units = gates.shape
            record = call.cell.record([_array(weight) for weight in own], room, units)
            call.kernels.forward(
                record, gates.reshape(-1), states.reshape(-1), transposed.reshape(-1), steps, room, units
            )
            count, whole = rows.stop - rows.first, slice(rows.first, rows.stop)
            outputs.numpy()[whole] = states[0, 1:, :count, :hidden].swapaxes(0, 1)
            for values, field in zip(found, states, strict=True):
                values.numpy()[whole] = field[list(call.at), :count, :hidden].swapaxes(0, 1)
            return _Saved(rows, gates, states) if keep else None

        saved = in_threads(run, blocks(batch, keep=keep, threads=call.threads), call.threads)
        if keep:
            ctx.set_materialize_grads(False)
            ctx.call, ctx.fields, ctx.rows = call, fields, [block.rows for block in saved]
            # Saved by autograd, they are freed after the backward pass, and in-place changes of weights are detected.
            kept = [torch.from_numpy(part) for block in saved for part in block[1:]]
            ctx.save_for_backward(matrices, *own, *kept)
        return outputs, *found

    @staticmethod
    # The decorator's type has no argument names.
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *upstream: Tensor | None
    ) -> tuple[Tensor | None, ...]:
        call, fields = ctx.call, ctx.fields
        weights = ctx.saved_tensors[: -2 * len(ctx.rows)]
        parts = iter([part.numpy() for part in ctx.saved_tensors[-2 * len(ctx.rows) :]])
        # Copied, as they are overwritten: there may be a second backward pass.
        saved = [_Saved(rows, next(parts).copy(), next(parts)) for rows in ctx.rows]
        matrices, *own = weights
        hidden = matrices.shape[1]
        batch, time = saved[-1].rows.stop, saved[0].gates.shape[1]
        of_read = matrices.new_empty(batch, time, GATES * hidden)
        of_starts = [matrices.new_empty(batch, hidden) for _ in range(fields)]
        forward = _padded(matrices)

        def run(block: _Saved) -> list[Tensor]:
            rows, gates, states = block
            _, steps, room, units = gates.shape
            record = call.cell.record([_array(weight) for weight in own], room, units)
            outputs, of_states, places = _upstream(call.at, upstream, block)
            running = np.zeros((fields, room, units), gates.dtype)
            call.kernels.backward(
                record, gates.reshape(-1), states.reshape(-1), forward.reshape(-1), outputs.reshape(-1),
                of_states.reshape(-1), places, running.reshape(-1), steps, room, units, fields,
            )  # fmt: skip
            count, whole = rows.stop - rows.first, slice(rows.first, rows.stop)
            of_read.numpy().reshape(batch, time, GATES, hidden)[whole] = gates[:, :, :count, :hidden].transpose(
                2, 1, 0, 3
            )
            for gradient, field in zip(of_starts, running, strict=True):
                gradient.numpy()[whole] = field[:count, :hidden]
            before = torch.from_numpy(states[0, :-1]).flatten(0, 1)
            products = torch.from_numpy(gates).flatten(1, 2).transpose(1, 2) @ before
            return [products[:, :hidden, :hidden], *call.cell.gradients(gates, states, hidden)]

        totals = in_threads(run, saved, call.threads)
        of_weights = [torch.stack(parts).sum(dim=0) for parts in zip(*totals, strict=True)]
        of_matrices, *of_own = of_weights
        found = (None, of_read, of_matrices, None, *of_starts, *of_own)
        return tuple(one if needed else None for one, needed in zip(found, ctx.needs_input_grad, strict=True))


def _arrays(read: Tensor, starts: tuple[Tensor, ...], rows: RowBlock, units: int) -> tuple[np.ndarray, np.ndarray]:
    """Gates and states of a block, padded with zeros, before the forward pass."""
    first, stop, room = rows
    _, time, wide = read.shape
    hidden, count = wide // GATES, stop - first
    numbers = _array(read)
    gates = np.zeros((GATES, time, room, units), numbers.dtype)
    gates[:, :, :count, :hidden] = numbers[first:stop].reshape(count, time, GATES, hidden).transpose(2, 1, 0, 3)
    states = np.empty((len(starts), time + 1, room, units), numbers.dtype)
    states[:, 0] = 0
    for field, start in zip(states, starts, strict=True):
        field[0, :count, :hidden] = _array(start)[first:stop]
    return gates, states


def _upstream(
    at: tuple[int, ...], upstream: tuple[Tensor | None, ...], block: _Saved
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The upstream gradients of a block's outputs and states, and which of the latter belong to each step."""
    (first, stop, room), _, states = block
    fields, steps, _, units = states.shape
    of_outputs, *of_fields = upstream
    outputs = np.zeros((steps - 1, room, units), states.dtype)
    if of_outputs is not None:
        outputs[:, : stop - first, : of_outputs.shape[2]] = _array(of_outputs)[first:stop].swapaxes(0, 1)
    found = np.zeros((len(at), fields, room, units), states.dtype)
    for number, gradient in enumerate(of_fields):
        if gradient is not None:
            found[:, number, : stop - first, : gradient.shape[2]] = _array(gradient)[first:stop].swapaxes(0, 1)
    places = np.full(steps - 1, -1)
    places[[step - 1 for step in at]] = range(len(at))
    return outputs, found, places


def _padded(matrices: Tensor) -> np.ndarray:
    """Square matrices with zeros up to a multiple of `PANEL_COLUMNS`."""
    hidden = matrices.shape[1]
    extra = round_up(hidden, PANEL_COLUMNS) - hidden
    return _array(functional.pad(matrices.detach(), (0, extra, 0, extra)).contiguous())


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().numpy()

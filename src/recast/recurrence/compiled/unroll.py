"""Both operations on NumPy arrays: blocks of rows are laid out for the kernels, run, and put together again."""

from typing import Any

import numpy as np

from recast.recurrence.compiled.kernels import Kernels
from recast.recurrence.compiled.rows import Rows, blocks, in_threads, lanes
from recast.recurrence.compiled.task import Asked, Block, Gradients, Passage, Slopes, Task

_CHUNK = 8
"""Steps whose gates are computed again at a time on the way back."""
_NOTHING = np.zeros(0)


def advance(task: Task, asked: Asked, kernels: Kernels, *, keep: bool) -> Passage:
    """Runs the loop.

    Args:
        task: The loop.
        asked: What is wanted of it.
        kernels: The compiled loops.
        keep: Whether there will be a way back; else a block's states are gone when it is done.
    """
    plan, batch, dtype = task.plan, len(task.inputs), task.weights.dtype
    open_shape = batch, task.steps - asked.outputs_from, plan.sizes[-1]
    first = np.empty(open_shape if task.base is None else task.base.shape, dtype)
    states = [np.empty((batch, len(asked.at), size), dtype) for size in plan.sizes for _ in range(plan.fields)]

    def run(rows: Rows) -> Block | None:
        block, values = _advance(task, rows, kernels)
        own, count = slice(rows.first, rows.stop), rows.stop - rows.first
        outputs = values if task.closed else block.states[-1, 0, asked.outputs_from + 1 :]
        first[own] = outputs[:, :count, : first.shape[2]].swapaxes(0, 1)
        if asked.at:
            chosen = block.states[:, :, list(asked.at), :count]
            for index, whole in enumerate(states):
                layer, field = divmod(index, plan.fields)
                whole[own] = chosen[layer, field, :, :, : whole.shape[2]].swapaxes(0, 1)
        return block if keep else None

    rows = blocks(batch, keep=keep, threads=task.threads)
    done = in_threads(run, rows, task.threads)
    return Passage(first, states, [block for block in done if block is not None])


def _advance(task: Task, rows: Rows, kernels: Kernels) -> tuple[Block, np.ndarray]:
    plan, steps, (first, stop, room) = task.plan, task.steps, rows
    dtype = task.weights.dtype
    count = stop - first
    x = np.zeros((steps, room, plan.stride), dtype)
    x[:, :count, : plan.inputs] = task.inputs[first:stop].transpose(1, 0, 2)
    layers = len(plan.sizes)
    states = np.empty((layers, plan.fields, steps + 1, room, plan.units), dtype)
    states[:, :, 0] = 0
    for layer, fields in enumerate(task.states):
        for field, start in enumerate(fields):
            states[layer, field, 0, :count, : plan.sizes[layer]] = start[first:stop]
    drop = _by_time(task.drop, rows, steps, plan.units, dtype)
    values = np.empty((steps, room, plan.targets), dtype)
    mask = np.zeros((steps, room) if task.closed else 0, np.uint8)
    truth = base = _NOTHING.astype(dtype)
    if task.base is not None:
        base = _rows_by_time(task.base, rows, dtype)
        if task.truth is not None and task.mask is not None:
            truth = _rows_by_time(task.truth, rows, dtype)
            mask[: task.mask.shape[1], :count] = task.mask[first:stop].T
    kernels.forward(
        plan.number,
        task.closed,
        task.residual,
        task.size(room),
        task.weights,
        plan.places,
        x.reshape(-1),
        states.reshape(-1),
        drop.reshape(-1),
        truth.reshape(-1),
        mask.reshape(-1),
        base.reshape(-1),
        values.reshape(-1),
        np.empty(room * plan.units, dtype),
        np.empty(room * plan.columns, dtype),
    )
    return Block(rows, x, states, drop, mask), values


def go_back(task: Task, done: list[Block], slopes: Slopes, kernels: Kernels, *, inputs_wanted: bool) -> Gradients:
    """The gradients.

    Args:
        task: The loop.
        done: What its blocks went through.
        slopes: Derivatives from outside.
        kernels: The compiled loops.
        inputs_wanted: Whether the gradient with respect to the inputs is wanted.
    """
    plan, dtype = task.plan, task.weights.dtype
    batch = len(task.inputs)
    states = [[np.empty((batch, size), dtype) for _ in range(plan.fields)] for size in plan.sizes]
    inputs = np.empty(task.inputs.shape, dtype) if inputs_wanted else None
    base = None if task.base is None else np.empty(task.base.shape, dtype)

    def run(lane: range) -> np.ndarray:
        total = np.zeros(plan.gradient_length, dtype)
        for index in lane:
            rows = done[index].rows
            count = rows.stop - rows.first
            d, dx, values = _go_back(task, done[index], slopes, total, kernels, inputs_wanted=inputs_wanted)
            for layer, fields in enumerate(states):
                for field, whole in enumerate(fields):
                    whole[rows.first : rows.stop] = d[layer, field, :count, : plan.sizes[layer]]
            if inputs is not None:
                inputs[rows.first : rows.stop] = dx[:, :count, : plan.inputs].transpose(1, 0, 2)
            if base is not None:
                base[rows.first : rows.stop] = values[:, :count, : plan.targets].transpose(1, 0, 2)
        return total

    totals = in_threads(run, lanes(len(done)), task.threads)
    whole = totals[0]
    # Gradients that are too large for their type are the optimiser's matter.
    with np.errstate(over="ignore", invalid="ignore"):
        for total in totals[1:]:
            whole += total
    return Gradients(plan.unpack(whole), states, inputs, base)


def _go_back(
    task: Task, block: Block, slopes: Slopes, total: np.ndarray, kernels: Kernels, *, inputs_wanted: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    plan, steps, (first, stop, room) = task.plan, task.steps, block.rows
    dtype = task.weights.dtype
    count, layers = stop - first, len(plan.sizes)
    outer_at = np.full(steps, -1)
    outer = _NOTHING.astype(dtype)
    if slopes.outputs is not None:
        outer_at[slopes.outputs_from :] = np.arange(steps - slopes.outputs_from)
        outer = np.zeros((steps - slopes.outputs_from, room, plan.units), dtype)
        outer[:, :count, : plan.sizes[-1]] = slopes.outputs[first:stop].transpose(1, 0, 2)
    given_at = np.full(steps, -1)
    given_at[np.array(slopes.at, int) - 1] = np.arange(len(slopes.at))
    given = np.zeros((len(slopes.at), layers, plan.fields, room, plan.units), dtype)
    for layer, fields in enumerate(slopes.states):
        for field, slope in enumerate(fields):
            if slope is not None:
                given[:, layer, field, :count, : plan.sizes[layer]] = slope[first:stop].transpose(1, 0, 2)
    values = np.zeros((steps, room, plan.room) if task.closed else 0, dtype)
    if slopes.values is not None:
        values[:, :count, : plan.targets] = slopes.values[first:stop].transpose(1, 0, 2)
    d = np.zeros((layers, plan.fields, room, plan.units), dtype)
    wide = -(-plan.inputs // 16) * 16
    dx = np.zeros((steps, room, wide) if inputs_wanted or task.closed else 0, dtype)
    gates = np.empty(layers * plan.planes * _CHUNK * room * plan.units, dtype)
    dropped = np.empty((layers - 1) * _CHUNK * room * plan.units if len(block.drop) else 0, dtype)
    kernels.backward(
        plan.number,
        task.closed,
        task.residual,
        task.detach,
        _CHUNK,
        task.size(room),
        task.weights,
        plan.places,
        block.x.reshape(-1),
        block.states.reshape(-1),
        block.drop.reshape(-1),
        block.mask.reshape(-1),
        values.reshape(-1),
        outer.reshape(-1),
        outer_at,
        given.reshape(-1),
        given_at,
        d.reshape(-1),
        dx.reshape(-1),
        inputs_wanted,
        total,
        plan.gradient_places,
        gates,
        dropped,
        np.empty(room * plan.units, dtype),
    )
    return d, dx, values


def _rows_by_time(values: np.ndarray, rows: Rows, dtype: Any) -> np.ndarray:
    """(batch, time, size) to (time, room, size), with zeros in rows that are not there."""
    found = np.zeros((values.shape[1], rows.room, values.shape[2]), dtype)
    found[:, : rows.stop - rows.first] = values[rows.first : rows.stop].transpose(1, 0, 2)
    return found


def _by_time(parts: list[np.ndarray], rows: Rows, steps: int, units: int, dtype: Any) -> np.ndarray:
    found = np.zeros((len(parts), steps, rows.room, units), dtype)
    for layer, part in enumerate(parts):
        found[layer, :, : rows.stop - rows.first, : part.shape[2]] = part[rows.first : rows.stop].transpose(1, 0, 2)
    return found

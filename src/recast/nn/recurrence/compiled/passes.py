"""Both passes on NumPy arrays: splits the batch into blocks, runs the kernels on them, and joins the results."""

from typing import Any

import numpy as np

from recast.nn.recurrence.compiled.kernels import Kernels
from recast.nn.recurrence.compiled.layout import CHUNK_STEPS
from recast.nn.recurrence.compiled.loop import (
    ForwardResult,
    Gradients,
    Loop,
    SavedActivations,
    Selection,
    UpstreamGradients,
)
from recast.nn.recurrence.compiled.records import BackwardArrays, ForwardArrays
from recast.nn.recurrence.compiled.rows import RowBlock, blocks, gradient_groups, in_threads

_NOTHING = np.zeros(0)


def run_forward(loop: Loop, wanted: Selection, kernels: Kernels, *, keep: bool) -> ForwardResult:
    """The forward pass.

    Args:
        loop: The loop.
        wanted: Which of its results are requested.
        kernels: The compiled loops.
        keep: Whether there will be a backward pass; otherwise a block's states are discarded once it is done.
    """
    packing, batch, dtype = loop.packing, len(loop.inputs), loop.weights.dtype
    open_shape = batch, loop.steps - wanted.outputs_from, packing.sizes[-1]
    first = np.empty(open_shape if loop.base is None else loop.base.shape, dtype)
    states = [np.empty((batch, len(wanted.at), size), dtype) for size in packing.sizes for _ in range(packing.fields)]

    def run(rows: RowBlock) -> SavedActivations | None:
        saved, values = _run_block_forward(loop, rows, kernels)
        own, count = slice(rows.first, rows.stop), rows.stop - rows.first
        outputs = values if loop.closed else saved.states[-1, 0, wanted.outputs_from + 1 :]
        first[own] = outputs[:, :count, : first.shape[2]].swapaxes(0, 1)
        if wanted.at:
            chosen = saved.states[:, :, list(wanted.at), :count]
            for index, whole in enumerate(states):
                layer, field = divmod(index, packing.fields)
                whole[own] = chosen[layer, field, :, :, : whole.shape[2]].swapaxes(0, 1)
        return saved if keep else None

    rows = blocks(batch, keep=keep, threads=loop.threads)
    found = in_threads(run, rows, loop.threads)
    return ForwardResult(first, states, [saved for saved in found if saved is not None])


def _run_block_forward(loop: Loop, rows: RowBlock, kernels: Kernels) -> tuple[SavedActivations, np.ndarray]:
    packing, steps, (first, stop, room) = loop.packing, loop.steps, rows
    dtype = loop.weights.dtype
    count = stop - first
    inputs = np.zeros((steps, room, packing.input_stride), dtype)
    inputs[:, :count, : packing.inputs] = loop.inputs[first:stop].transpose(1, 0, 2)
    layers = len(packing.sizes)
    states = np.empty((layers, packing.fields, steps + 1, room, packing.units), dtype)
    states[:, :, 0] = 0
    for layer, fields in enumerate(loop.states):
        for field, start in enumerate(fields):
            states[layer, field, 0, :count, : packing.sizes[layer]] = start[first:stop]
    dropout = _layers_by_time(loop.dropout, rows, steps, packing.units, dtype)
    values = np.empty((steps, room, packing.targets), dtype)
    mask = np.zeros((steps, room) if loop.closed else 0, np.uint8)
    truth = base = _NOTHING.astype(dtype)
    if loop.base is not None:
        base = _rows_by_time(loop.base, rows, dtype)
        if loop.truth is not None and loop.mask is not None:
            truth = _rows_by_time(loop.truth, rows, dtype)
            mask[: loop.mask.shape[1], :count] = loop.mask[first:stop].T
    kernels.forward(
        loop.record(room, inputs_learn=False),
        ForwardArrays(
            weights=loop.weights,
            places=packing.places,
            inputs=inputs.reshape(-1),
            states=states.reshape(-1),
            dropout=dropout.reshape(-1),
            truth=truth.reshape(-1),
            mask=mask.reshape(-1),
            base=base.reshape(-1),
            values=values.reshape(-1),
            dropped=np.empty(room * packing.units, dtype),
            readout=np.empty(room * packing.target_columns, dtype),
        ),
    )
    return SavedActivations(rows, inputs, states, dropout, mask), values


def run_backward(
    loop: Loop,
    saved: list[SavedActivations],
    upstream: UpstreamGradients,
    kernels: Kernels,
    *,
    inputs_learn: bool,
) -> Gradients:
    """The backward pass.

    Args:
        loop: The loop.
        saved: The saved activations of its blocks.
        upstream: The gradients of its results.
        kernels: The compiled loops.
        inputs_learn: Whether the gradient of the inputs is needed.
    """
    packing, dtype = loop.packing, loop.weights.dtype
    batch = len(loop.inputs)
    states = [[np.empty((batch, size), dtype) for _ in range(packing.fields)] for size in packing.sizes]
    inputs = np.empty(loop.inputs.shape, dtype) if inputs_learn else None
    base = None if loop.base is None else np.empty(loop.base.shape, dtype)

    def run(group: range) -> np.ndarray:
        total = np.zeros(packing.gradient_length, dtype)
        for block in saved[group.start : group.stop]:
            own, count = slice(block.rows.first, block.rows.stop), block.rows.stop - block.rows.first
            of_states, of_inputs, of_values = _run_block_backward(
                loop, block, upstream, kernels, total=total, inputs_learn=inputs_learn
            )
            for layer, fields in enumerate(states):
                for field, whole in enumerate(fields):
                    whole[own] = of_states[layer, field, :count, : packing.sizes[layer]]
            if inputs is not None:
                inputs[own] = of_inputs[:, :count, : packing.inputs].transpose(1, 0, 2)
            if base is not None:
                base[own] = of_values[:, :count, : packing.targets].transpose(1, 0, 2)
        return total

    totals = in_threads(run, gradient_groups(len(saved)), loop.threads)
    whole = totals[0]
    # Overflowing gradients are left to the optimiser.
    with np.errstate(over="ignore", invalid="ignore"):
        for total in totals[1:]:
            whole += total
    return Gradients(packing.unpack(whole), states, inputs, base)


def _run_block_backward(
    loop: Loop,
    saved: SavedActivations,
    upstream: UpstreamGradients,
    kernels: Kernels,
    *,
    total: np.ndarray,
    inputs_learn: bool,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gradients of the initial states, the inputs and the values; those of the weights are added to `total`."""
    packing, steps, (first, stop, room) = loop.packing, loop.steps, saved.rows
    dtype = loop.weights.dtype
    count, layers = stop - first, len(packing.sizes)
    output_of = np.full(steps, -1)
    outputs = _NOTHING.astype(dtype)
    if upstream.outputs is not None:
        output_of[upstream.of.outputs_from :] = np.arange(steps - upstream.of.outputs_from)
        outputs = np.zeros((steps - upstream.of.outputs_from, room, packing.units), dtype)
        outputs[:, :count, : packing.sizes[-1]] = upstream.outputs[first:stop].transpose(1, 0, 2)
    state_of = np.full(steps, -1)
    state_of[np.array(upstream.of.at, int) - 1] = np.arange(len(upstream.of.at))
    states = np.zeros((len(upstream.of.at), layers, packing.fields, room, packing.units), dtype)
    for layer, fields in enumerate(upstream.states):
        for field, gradient in enumerate(fields):
            if gradient is not None:
                states[:, layer, field, :count, : packing.sizes[layer]] = gradient[first:stop].transpose(1, 0, 2)
    values = np.zeros((steps, room, packing.target_stride) if loop.closed else 0, dtype)
    if upstream.values is not None:
        values[:, :count, : packing.targets] = upstream.values[first:stop].transpose(1, 0, 2)
    running = np.zeros((layers, packing.fields, room, packing.units), dtype)
    inputs = np.zeros((steps, room, packing.input_columns) if inputs_learn or loop.closed else 0, dtype)
    plane = CHUNK_STEPS * room * packing.units
    kernels.backward(
        loop.record(room, inputs_learn=inputs_learn),
        BackwardArrays(
            weights=loop.weights,
            places=packing.places,
            inputs=saved.inputs.reshape(-1),
            states=saved.states.reshape(-1),
            dropout=saved.dropout.reshape(-1),
            mask=saved.mask.reshape(-1),
            value_gradients=values.reshape(-1),
            output_gradients=outputs.reshape(-1),
            output_gradient_of=output_of,
            state_gradients=states.reshape(-1),
            state_gradient_of=state_of,
            running=running.reshape(-1),
            input_gradients=inputs.reshape(-1),
            weight_gradients=total,
            gradient_places=packing.gradient_places,
            gates=np.empty(layers * packing.planes * plane, dtype),
            dropped=np.empty((layers - 1) * plane if len(saved.dropout) else 0, dtype),
            below=np.empty(room * packing.units, dtype),
        ),
    )
    return running, inputs, values


def _rows_by_time(values: np.ndarray, rows: RowBlock, dtype: Any) -> np.ndarray:
    """(batch, time, size) to (time, room, size), with zeros in padding rows."""
    found = np.zeros((values.shape[1], rows.room, values.shape[2]), dtype)
    found[:, : rows.stop - rows.first] = values[rows.first : rows.stop].transpose(1, 0, 2)
    return found


def _layers_by_time(parts: list[np.ndarray], rows: RowBlock, steps: int, units: int, dtype: Any) -> np.ndarray:
    """The same for a part of each layer, with zeros in padding units."""
    found = np.zeros((len(parts), steps, rows.room, units), dtype)
    for layer, part in enumerate(parts):
        found[layer, :, : rows.stop - rows.first, : part.shape[2]] = part[rows.first : rows.stop].transpose(1, 0, 2)
    return found

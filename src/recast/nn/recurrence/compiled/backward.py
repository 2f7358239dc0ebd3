"""The backward pass through all steps and layers, in chunks of steps.

The gates of a chunk are recomputed from the states, which is faster than loading them from memory; weight gradients are
products over a whole chunk.
"""

from recast.nn.recurrence.compiled import cells
from recast.nn.recurrence.compiled.cells import GRU, RNN
from recast.nn.recurrence.compiled.gates import ACTIVATE, BIAS, HIDDEN, HIDDEN_BACKWARD, INPUT, INPUT_BACKWARD
from recast.nn.recurrence.compiled.jit import jit
from recast.nn.recurrence.compiled.layout import CHUNK_STEPS
from recast.nn.recurrence.compiled.tile import product

_, _activate_gru, _activate_lstm = ACTIVATE


@jit
def backward(loop, arrays):
    """Runs the backward pass through all steps and layers; adds to the weight gradients.

    Takes a `LoopRecord` and `BackwardArrays`.
    """
    kind, closed, residual, detach = loop.kind, loop.closed, loop.residual, loop.detach
    steps, rows, units, layers, targets = loop.steps, loop.rows, loop.units, loop.layers, loop.targets
    input_columns, target_stride = loop.input_columns, loop.target_stride
    weights, at, x, states = arrays.weights, arrays.places, arrays.inputs, arrays.states
    dropout, mask, gates, dropped, below = arrays.dropout, arrays.mask, arrays.gates, arrays.dropped, arrays.below
    values, d, dx = arrays.value_gradients, arrays.running, arrays.input_gradients
    outputs, output_of = arrays.output_gradients, arrays.output_gradient_of
    upstream, upstream_of = arrays.state_gradients, arrays.state_gradient_of
    fields = cells.FIELDS[kind]
    planes = cells.PLANES[kind]
    block = rows * units
    line = (steps + 1) * block
    wide = CHUNK_STEPS * block  # size of one gate plane of a chunk
    first, stop = cells.INPUT_PLANES[kind]
    begin, end = cells.HIDDEN_PLANES[kind]
    high = steps
    while high > 0:
        low = max(0, high - CHUNK_STEPS)
        count = high - low
        for layer in range(layers):
            before = layer * fields * line + low * block
            g = gates[layer * planes * wide : (layer + 1) * planes * wide]
            many = count * block
            if layer and len(dropout):
                source_at = before - fields * line + block
                factors = ((layer - 1) * steps + low) * block
                for k in range(many):
                    dropped[(layer - 1) * wide + k] = states[source_at + k] * dropout[factors + k]
            if kind == RNN:
                continue  # the new state is the value of its only gate
            if layer == 0:
                source, place, stride, depth = x, low * rows * loop.input_stride, loop.input_stride, loop.inputs
            elif len(dropout):
                source, place, stride, depth = dropped, (layer - 1) * wide, units, units
            else:
                source, place, stride, depth = states, before - fields * line + block, units, units
            if kind == GRU:
                _activate_gru(
                    g, 0, wide, weights, at, layer, states, before, line, source, place, stride, depth,
                    count * rows, units,
                )  # fmt: skip
            else:
                _activate_lstm(
                    g, 0, wide, weights, at, layer, states, before, line, source, place, stride, depth,
                    count * rows, units,
                )  # fmt: skip
        for t in range(high - 1, low - 1, -1):
            k0 = (t - low) * block
            top = (layers - 1) * fields * block
            if closed:
                w = at[layers, HIDDEN_BACKWARD]
                product(
                    d, top, units, d, top, units, values, t * rows * target_stride, target_stride, 1, weights, w, units,
                    rows, units, targets,
                )  # fmt: skip
            if output_of[t] >= 0:
                o = output_of[t] * block
                for k in range(block):
                    d[top + k] += outputs[o + k]
            if upstream_of[t] >= 0:
                o = upstream_of[t] * layers * fields * block
                for k in range(layers * fields * block):
                    d[k] += upstream[o + k]
            for layer in range(layers - 1, -1, -1):
                hidden = layer * fields * line
                before, after = hidden + t * block, hidden + (t + 1) * block
                g = gates[layer * planes * wide : (layer + 1) * planes * wide]
                here = layer * fields * block
                gradient = d[here : here + block]
                g0 = g[k0 : k0 + block]
                if kind == RNN:
                    cells.rnn_differentiate(g0, states[after : after + block], gradient)
                else:
                    g1 = g[wide + k0 : wide + k0 + block]
                    g2 = g[2 * wide + k0 : 2 * wide + k0 + block]
                    g3 = g[3 * wide + k0 : 3 * wide + k0 + block]
                    if kind == GRU:
                        cells.gru_differentiate(g0, g1, g2, g3, states[before : before + block], gradient)
                    else:
                        cells.lstm_differentiate(
                            g0, g1, g2, g3, states[before + line : before + line + block],
                            states[after + line : after + line + block], gradient, d[here + block : here + 2 * block],
                        )  # fmt: skip
                for gate in range(begin, end):
                    w = at[layer, HIDDEN_BACKWARD] + (gate - begin) * units * units
                    product(
                        d, here, units, d, here, units, g, gate * wide + k0, units, 1, weights, w, units, rows,
                        units, units,
                    )  # fmt: skip
                if layer == 0:
                    if loop.inputs_learn or (closed and t > 0 and not detach):
                        o = t * rows * input_columns
                        for gate in range(first, stop):
                            w = at[0, INPUT_BACKWARD] + (gate - first) * units * input_columns
                            product(
                                dx, o, input_columns, dx, o, input_columns, g, gate * wide + k0, units, 1, weights, w,
                                input_columns, rows, input_columns, units,
                            )  # fmt: skip
                elif len(dropout):
                    for k in range(block):
                        below[k] = 0
                    for gate in range(first, stop):
                        w = at[layer, INPUT_BACKWARD] + (gate - first) * units * units
                        product(
                            below, 0, units, below, 0, units, g, gate * wide + k0, units, 1, weights, w, units, rows,
                            units, units,
                        )  # fmt: skip
                    factors = ((layer - 1) * steps + t) * block
                    for k in range(block):
                        d[here - fields * block + k] += below[k] * dropout[factors + k]
                else:
                    o = here - fields * block
                    for gate in range(first, stop):
                        w = at[layer, INPUT_BACKWARD] + (gate - first) * units * units
                        product(
                            d, o, units, d, o, units, g, gate * wide + k0, units, 1, weights, w, units, rows, units,
                            units,
                        )  # fmt: skip
            if residual:
                for i in range(rows):
                    for p in range(targets):
                        dx[(t * rows + i) * input_columns + p] += values[(t * rows + i) * target_stride + p]
            if closed and t > 0:
                for i in range(rows):
                    fed = mask[(t - 1) * rows + i] != 0
                    for p in range(targets):
                        o = (t * rows + i) * input_columns + p
                        if not fed:
                            if not detach:
                                values[((t - 1) * rows + i) * target_stride + p] += dx[o]
                            dx[o] = 0
        _add_weight_gradients(loop, arrays, low, count)
        high = low


@jit
def _add_weight_gradients(loop, arrays, low, count):
    """Adds the contribution of `count` steps starting at `low` to the weight gradients."""
    kind, rows, units, layers, targets = loop.kind, loop.rows, loop.units, loop.layers, loop.targets
    input_stride, target_stride = loop.input_stride, loop.target_stride
    x, states, values = arrays.inputs, arrays.states, arrays.value_gradients
    gradients, at = arrays.weight_gradients, arrays.gradient_places
    gates, dropped = arrays.gates, arrays.dropped
    fields = cells.FIELDS[kind]
    planes = cells.PLANES[kind]
    block = rows * units
    line = (loop.steps + 1) * block
    wide = CHUNK_STEPS * block
    many = count * rows
    first, stop = cells.INPUT_PLANES[kind]
    begin, end = cells.HIDDEN_PLANES[kind]
    for layer in range(layers):
        hidden = layer * fields * line + low * block
        g = gates[layer * planes * wide : (layer + 1) * planes * wide]
        for gate in range(begin, end):
            o = at[layer, HIDDEN] + (gate - begin) * units * units
            product(
                gradients, o, units, gradients, o, units, g, gate * wide, 1, units, states, hidden, units, units, units,
                many,
            )  # fmt: skip
        for gate in range(first, stop):
            if layer == 0:
                o = at[0, INPUT] + (gate - first) * input_stride * units
                product(
                    gradients, o, units, gradients, o, units, x, low * rows * input_stride, 1, input_stride, g,
                    gate * wide, units, input_stride, units, many,
                )  # fmt: skip
            else:
                o = at[layer, INPUT] + (gate - first) * units * units
                below = hidden - fields * line + block
                if len(arrays.dropout):
                    place = (layer - 1) * wide
                    product(
                        gradients, o, units, gradients, o, units, dropped, place, 1, units, g, gate * wide, units,
                        units, units, many,
                    )  # fmt: skip
                else:
                    product(
                        gradients, o, units, gradients, o, units, states, below, 1, units, g, gate * wide, units, units,
                        units, many,
                    )  # fmt: skip
        for gate in range(planes):
            bias = gradients[at[layer, BIAS] + gate * units : at[layer, BIAS] + (gate + 1) * units]
            for i in range(many):
                row = g[gate * wide + i * units : gate * wide + (i + 1) * units]
                for j in range(units):
                    bias[j] += row[j]
    if loop.closed:
        o = at[layers, INPUT]
        top = (layers - 1) * fields * line + (low + 1) * block
        product(
            gradients,
            o,
            units,
            gradients,
            o,
            units,
            values,
            low * rows * target_stride,
            1,
            target_stride,
            states,
            top,
            units,
            target_stride,
            units,
            many,
        )
        for i in range(many):
            for p in range(targets):
                gradients[at[layers, BIAS] + p] += values[(low * rows + i) * target_stride + p]

"""The way back through all steps and layers, in chunks of steps.

The gates of a chunk are computed again from the states, which is faster than fetching them from memory, and gives the
weights' gradients as products over a whole chunk. Arrays are laid out as in `forward`, and

    slopes   (T, n, V)         closed loop: derivative of the loss with respect to the values, V = P up to a multiple
                               of 4
"""

from recast.recurrence.compiled import cells
from recast.recurrence.compiled.cells import GRU, RNN
from recast.recurrence.compiled.gates import ACTIVATE, BIAS, HIDDEN, HIDDEN_BACK, INPUT, INPUT_BACK
from recast.recurrence.compiled.options import jit
from recast.recurrence.compiled.tile import product

_, _activate_gru, _activate_lstm = ACTIVATE


@jit
def backward(
    kind,
    closed,
    residual,
    detach,
    chunk,
    size,
    weights,
    at,
    x,
    states,
    drop,
    mask,
    slopes,
    outer,
    outer_at,
    given,
    given_at,
    d,
    dx,
    want_dx,
    grads,
    grads_at,
    gates,
    dropped,
    dy,
):
    """Goes back through all steps and layers; adds to the gradients `grads`.

    outer (selected steps, n, H), outer_at (T): derivative with respect to the top layer's output at step t, at place
    outer_at[t] if that is not negative; given (selected steps, L, Q, n, H), given_at (T): that with respect to all
    states after step t. d (L, Q, n, H): zeros; in the end the derivative with respect to the states before the first
    step. dx (T, n, columns): that with respect to the inputs, if `want_dx`; in a closed loop, with respect to what
    was read, of which the part of fed-back values is zero. slopes: in the end with all later effects of each value.
    """
    steps, rows, units, layers, inputs, stride, targets, _ = size
    fields = cells.FIELDS[kind]
    planes = cells.PLANES[kind]
    block = rows * units
    line = (steps + 1) * block
    wide = chunk * block  # a plane of the gates of a chunk
    first, stop = cells.INPUT_PLANES[kind]
    begin, end = cells.HIDDEN_PLANES[kind]
    padded = (inputs + 15) // 16 * 16
    room = (targets + 3) // 4 * 4
    high = steps
    while high > 0:
        low = max(0, high - chunk)
        count = high - low
        for layer in range(layers):
            before = layer * fields * line + low * block
            g = gates[layer * planes * wide : (layer + 1) * planes * wide]
            many = count * block
            if layer and len(drop):
                below = before - fields * line + block
                factors = ((layer - 1) * steps + low) * block
                for k in range(many):
                    dropped[(layer - 1) * wide + k] = states[below + k] * drop[factors + k]
            if kind == RNN:
                continue  # its new state is the value of its only gate
            if layer == 0:
                source, place, stride_, depth = x, low * rows * stride, stride, inputs
            elif len(drop):
                source, place, stride_, depth = dropped, (layer - 1) * wide, units, units
            else:
                source, place, stride_, depth = states, before - fields * line + block, units, units
            if kind == GRU:
                _activate_gru(
                    g, 0, wide, weights, at, layer, states, before, line, source, place, stride_, depth,
                    count * rows, units,
                )  # fmt: skip
            else:
                _activate_lstm(
                    g, 0, wide, weights, at, layer, states, before, line, source, place, stride_, depth,
                    count * rows, units,
                )  # fmt: skip
        for t in range(high - 1, low - 1, -1):
            k0 = (t - low) * block
            top = (layers - 1) * fields * block
            if closed:
                w = at[layers, HIDDEN_BACK]
                product(
                    d, top, units, d, top, units, slopes, t * rows * room, room, 1, weights, w, units, rows, units,
                    targets,
                )  # fmt: skip
            if outer_at[t] >= 0:
                o = outer_at[t] * block
                for k in range(block):
                    d[top + k] += outer[o + k]
            if given_at[t] >= 0:
                o = given_at[t] * layers * fields * block
                for k in range(layers * fields * block):
                    d[k] += given[o + k]
            for layer in range(layers - 1, -1, -1):
                hidden = layer * fields * line
                before, after = hidden + t * block, hidden + (t + 1) * block
                g = gates[layer * planes * wide : (layer + 1) * planes * wide]
                here = layer * fields * block
                slope = d[here : here + block]
                g0 = g[k0 : k0 + block]
                if kind == RNN:
                    cells.rnn_differentiate(g0, states[after : after + block], slope)
                else:
                    g1 = g[wide + k0 : wide + k0 + block]
                    g2 = g[2 * wide + k0 : 2 * wide + k0 + block]
                    g3 = g[3 * wide + k0 : 3 * wide + k0 + block]
                    if kind == GRU:
                        cells.gru_differentiate(g0, g1, g2, g3, states[before : before + block], slope)
                    else:
                        cells.lstm_differentiate(
                            g0, g1, g2, g3, states[before + line : before + line + block],
                            states[after + line : after + line + block], slope, d[here + block : here + 2 * block],
                        )  # fmt: skip
                for gate in range(begin, end):
                    w = at[layer, HIDDEN_BACK] + (gate - begin) * units * units
                    product(
                        d, here, units, d, here, units, g, gate * wide + k0, units, 1, weights, w, units, rows,
                        units, units,
                    )  # fmt: skip
                if layer == 0:
                    if want_dx or (closed and t > 0 and not detach):
                        o = t * rows * padded
                        for gate in range(first, stop):
                            w = at[0, INPUT_BACK] + (gate - first) * units * padded
                            product(
                                dx, o, padded, dx, o, padded, g, gate * wide + k0, units, 1, weights, w, padded,
                                rows, padded, units,
                            )  # fmt: skip
                elif len(drop):
                    for k in range(block):
                        dy[k] = 0
                    for gate in range(first, stop):
                        w = at[layer, INPUT_BACK] + (gate - first) * units * units
                        product(
                            dy, 0, units, dy, 0, units, g, gate * wide + k0, units, 1, weights, w, units, rows,
                            units, units,
                        )  # fmt: skip
                    factors = ((layer - 1) * steps + t) * block
                    for k in range(block):
                        d[here - fields * block + k] += dy[k] * drop[factors + k]
                else:
                    o = here - fields * block
                    for gate in range(first, stop):
                        w = at[layer, INPUT_BACK] + (gate - first) * units * units
                        product(
                            d, o, units, d, o, units, g, gate * wide + k0, units, 1, weights, w, units, rows, units,
                            units,
                        )  # fmt: skip
            if residual:
                for i in range(rows):
                    for p in range(targets):
                        dx[(t * rows + i) * padded + p] += slopes[(t * rows + i) * room + p]
            if closed and t > 0:
                for i in range(rows):
                    fed = mask[(t - 1) * rows + i] != 0
                    for p in range(targets):
                        o = (t * rows + i) * padded + p
                        if not fed:
                            if not detach:
                                slopes[((t - 1) * rows + i) * room + p] += dx[o]
                            dx[o] = 0
        _weights(
            kind, closed, size, x, states, slopes, grads, grads_at, gates, dropped, len(drop) > 0, low, count, wide
        )
        high = low


@jit
def _weights(kind, closed, size, x, states, slopes, grads, at, gates, dropped, drops, low, count, wide):
    """Adds the part of `count` steps from `low` on to the weights' gradients."""
    steps, rows, units, layers, _, stride, targets, _ = size
    fields = cells.FIELDS[kind]
    planes = cells.PLANES[kind]
    block = rows * units
    line = (steps + 1) * block
    many = count * rows
    first, stop = cells.INPUT_PLANES[kind]
    begin, end = cells.HIDDEN_PLANES[kind]
    room = (targets + 3) // 4 * 4
    for layer in range(layers):
        hidden = layer * fields * line + low * block
        g = gates[layer * planes * wide : (layer + 1) * planes * wide]
        for gate in range(begin, end):
            o = at[layer, HIDDEN] + (gate - begin) * units * units
            product(
                grads, o, units, grads, o, units, g, gate * wide, 1, units, states, hidden, units, units, units, many
            )
        for gate in range(first, stop):
            if layer == 0:
                o = at[0, INPUT] + (gate - first) * stride * units
                product(
                    grads, o, units, grads, o, units, x, low * rows * stride, 1, stride, g, gate * wide, units,
                    stride, units, many,
                )  # fmt: skip
            else:
                o = at[layer, INPUT] + (gate - first) * units * units
                below = hidden - fields * line + block
                if drops:
                    place = (layer - 1) * wide
                    product(
                        grads, o, units, grads, o, units, dropped, place, 1, units, g, gate * wide, units, units,
                        units, many,
                    )  # fmt: skip
                else:
                    product(
                        grads, o, units, grads, o, units, states, below, 1, units, g, gate * wide, units, units,
                        units, many,
                    )  # fmt: skip
        for gate in range(planes):
            bias = grads[at[layer, BIAS] + gate * units : at[layer, BIAS] + (gate + 1) * units]
            for i in range(many):
                row = g[gate * wide + i * units : gate * wide + (i + 1) * units]
                for j in range(units):
                    bias[j] += row[j]
    if closed:
        o = at[layers, INPUT]
        top = (layers - 1) * fields * line + (low + 1) * block
        product(
            grads, o, units, grads, o, units, slopes, low * rows * room, 1, room, states, top, units, room, units, many
        )
        for i in range(many):
            for p in range(targets):
                grads[at[layers, BIAS] + p] += slopes[(low * rows + i) * room + p]

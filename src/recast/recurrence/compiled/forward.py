"""The way forth through all layers and steps. Only states are kept.

All arrays are flat. For a block of n rows, T steps, H units, L layers:

    x        (T, n, X)         inputs of the lowest layer: X numbers, a multiple of 4, of which I are read
    states   (L, Q, T + 1, n, H)  Q = 2 for the LSTM (hidden, cell), else 1; those before the first step are given
    drop     (L - 1, T, n, H)  factors on the outputs of each layer but the top one; empty: none
    values   (T, n, P)         closed loop: forecasts, P targets

`weights` holds each layer's as `packing.Plan` lays them out; `at` are the places in it.
"""

from recast.recurrence.compiled import cells
from recast.recurrence.compiled.cells import GRU, RNN
from recast.recurrence.compiled.gates import ADVANCE, BIAS, INPUT
from recast.recurrence.compiled.options import jit
from recast.recurrence.compiled.tile import product

_advance_rnn, _advance_gru, _advance_lstm = ADVANCE


@jit
def _advance(kind, weights, at, layer, states, before, line, left, l, ls, depth, rows, units):
    """The states of a layer one step after those at `before`, from inputs `left` at `l`."""
    after = before + rows * units
    if kind == RNN:
        _advance_rnn(states, after, line, weights, at, layer, states, before, line, left, l, ls, depth, rows, units)
    elif kind == GRU:
        _advance_gru(states, after, line, weights, at, layer, states, before, line, left, l, ls, depth, rows, units)
    else:
        _advance_lstm(states, after, line, weights, at, layer, states, before, line, left, l, ls, depth, rows, units)


@jit
def forward(kind, closed, residual, size, weights, at, x, states, drop, truth, mask, base, values, dropped, out):
    """Runs all layers over all steps; in a closed loop each value is fed to the next step.

    residual: whether the value of a step adds the value fed there.

    size: T, n, H, L, I, X, P, columns of the readout (P up to a multiple of 16).
    dropped (n, H), out (n, columns): room to work in.
    """
    steps, rows, units, layers, inputs, stride, targets, columns = size
    fields = cells.FIELDS[kind]
    block = rows * units
    line = (steps + 1) * block
    for t in range(steps):
        for layer in range(layers):
            before = layer * fields * line + t * block
            if layer == 0:
                _advance(
                    kind, weights, at, 0, states, before, line, x, t * rows * stride, stride, inputs, rows, units
                )  # fmt: skip
                continue
            below = before - fields * line + block
            if len(drop):
                d = ((layer - 1) * steps + t) * block
                for k in range(block):
                    dropped[k] = states[below + k] * drop[d + k]
                _advance(kind, weights, at, layer, states, before, line, dropped, 0, units, units, rows, units)
            else:
                _advance(kind, weights, at, layer, states, before, line, states, below, units, units, rows, units)
        if closed:
            top = (layers - 1) * fields * line + (t + 1) * block
            readout, bias = at[layers, INPUT], at[layers, BIAS]
            product(
                out, 0, columns, weights, bias, 0, states, top, units, 1, weights, readout, columns, rows, columns,
                units,
            )  # fmt: skip
            for i in range(rows):
                for p in range(targets):
                    here = (t * rows + i) * targets + p
                    value = out[i * columns + p] + base[here]
                    if residual:
                        value += x[(t * rows + i) * stride + p]
                    values[here] = value
                    if t + 1 < steps:
                        fed = mask[t * rows + i] != 0
                        x[((t + 1) * rows + i) * stride + p] = truth[here] if fed else value

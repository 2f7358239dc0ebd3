"""The forward pass through all layers and steps. Only states are saved."""

from recast.nn.recurrence.compiled import cells
from recast.nn.recurrence.compiled.cells import GRU, RNN
from recast.nn.recurrence.compiled.gates import ADVANCE, BIAS, INPUT
from recast.nn.recurrence.compiled.jit import jit
from recast.nn.recurrence.compiled.tile import product

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
def forward(loop, arrays):
    """Runs all layers over all steps; in a closed loop each value is fed to the next step.

    Takes a `LoopRecord` and `ForwardArrays`.
    """
    kind, steps, rows, units, layers, targets = (
        loop.kind, loop.steps, loop.rows, loop.units, loop.layers, loop.targets,
    )  # fmt: skip
    weights, at, x, states, dropout = arrays.weights, arrays.places, arrays.inputs, arrays.states, arrays.dropout
    truth, mask, base, values = arrays.truth, arrays.mask, arrays.base, arrays.values
    dropped, readout = arrays.dropped, arrays.readout
    fields = cells.FIELDS[kind]
    block = rows * units
    line = (steps + 1) * block
    for t in range(steps):
        for layer in range(layers):
            before = layer * fields * line + t * block
            if layer == 0:
                _advance(
                    kind, weights, at, 0, states, before, line, x, t * rows * loop.input_stride, loop.input_stride,
                    loop.inputs, rows, units,
                )  # fmt: skip
                continue
            below = before - fields * line + block
            if len(dropout):
                d = ((layer - 1) * steps + t) * block
                for k in range(block):
                    dropped[k] = states[below + k] * dropout[d + k]
                _advance(kind, weights, at, layer, states, before, line, dropped, 0, units, units, rows, units)
            else:
                _advance(kind, weights, at, layer, states, before, line, states, below, units, units, rows, units)
        if loop.closed:
            top = (layers - 1) * fields * line + (t + 1) * block
            matrix, bias, columns = at[layers, INPUT], at[layers, BIAS], loop.target_columns
            product(
                readout, 0, columns, weights, bias, 0, states, top, units, 1, weights, matrix, columns, rows, columns,
                units,
            )  # fmt: skip
            for i in range(rows):
                for p in range(targets):
                    here = (t * rows + i) * targets + p
                    value = readout[i * columns + p] + base[here]
                    if loop.residual:
                        value += x[(t * rows + i) * loop.input_stride + p]
                    values[here] = value
                    if t + 1 < steps:
                        fed = mask[t * rows + i] != 0
                        x[((t + 1) * rows + i) * loop.input_stride + p] = truth[here] if fed else value

"""The units of the peephole LSTM; see `recast.nn.cells.peephole_lstm` for its formulas.

Gates i, f, g, o; fields hidden and cell.
"""

from typing import NamedTuple

import numpy as np
from numba.core.extending import overload

from recast.nn.recurrence.compiled.activations import sigmoid, tanh
from recast.nn.recurrence.compiled.jit import JIT_OPTIONS
from recast.nn.recurrence.compiled.unit_loop import advance, retreat


class PeepholeLSTMUnits(NamedTuple):
    """peepholes: (3, n, H), those of the gates i, f and o, the same for each row."""

    peepholes: np.ndarray


@overload(advance, jit_options=JIT_OPTIONS)
def _advance(cell, gates, o, plane, states, before, after, line, size):
    if getattr(cell, "instance_class", None) is not PeepholeLSTMUnits:
        return None

    def run(cell, gates, o, plane, states, before, after, line, size):
        write, keep = gates[o : o + size], gates[o + plane : o + plane + size]
        candidate, show = gates[o + 2 * plane : o + 2 * plane + size], gates[o + 3 * plane : o + 3 * plane + size]
        to_write, to_keep, to_show = (
            cell.peepholes[:size], cell.peepholes[size : 2 * size], cell.peepholes[2 * size :]
        )  # fmt: skip
        old, new = states[before + line : before + line + size], states[after + line : after + line + size]
        hidden = states[after : after + size]
        for k in range(size):
            write[k] = sigmoid(write[k] + to_write[k] * old[k])
        for k in range(size):
            keep[k] = sigmoid(keep[k] + to_keep[k] * old[k])
        for k in range(size):
            candidate[k] = tanh(candidate[k])
        for k in range(size):
            new[k] = keep[k] * old[k] + write[k] * candidate[k]
        for k in range(size):
            show[k] = sigmoid(show[k] + to_show[k] * new[k])
        for k in range(size):
            hidden[k] = show[k] * tanh(new[k])

    return run


@overload(retreat, jit_options=JIT_OPTIONS)
def _retreat(cell, gates, o, plane, states, before, after, line, running, size):
    if getattr(cell, "instance_class", None) is not PeepholeLSTMUnits:
        return None

    def run(cell, gates, o, plane, states, before, after, line, running, size):
        write, keep = gates[o : o + size], gates[o + plane : o + plane + size]
        candidate, show = gates[o + 2 * plane : o + 2 * plane + size], gates[o + 3 * plane : o + 3 * plane + size]
        to_write, to_keep, to_show = (
            cell.peepholes[:size], cell.peepholes[size : 2 * size], cell.peepholes[2 * size :]
        )  # fmt: skip
        old, new = states[before + line : before + line + size], states[after + line : after + line + size]
        d, dc = running[:size], running[size : 2 * size]
        zero, one = d.dtype.type(0), d.dtype.type(1)
        for k in range(size):
            shown, opened = tanh(new[k]), show[k]
            do = d[k] * shown * opened * (one - opened)
            dc[k] += d[k] * opened * (one - shown * shown) + do * to_show[k]
            show[k] = do
        for k in range(size):
            written, value = write[k], candidate[k]
            write[k] = dc[k] * value * written * (one - written)
            candidate[k] = dc[k] * written * (one - value * value)
        for k in range(size):
            d[k] = dc[k] * keep[k]
        for k in range(size):
            keep[k] = dc[k] * old[k] * keep[k] * (one - keep[k])
        for k in range(size):
            dc[k] = d[k] + write[k] * to_write[k] + keep[k] * to_keep[k]
        for k in range(size):
            d[k] = zero

    return run

"""The units of the peephole LSTM; see `recast.nn.cells.peephole_lstm` for its formulas.

Gates i, f, g, o; fields hidden and cell.
"""

from typing import NamedTuple

import numpy as np
from numba.core.extending import overload

from recast.nn.recurrence.compiled.activations import sigmoid, tanh
from recast.nn.recurrence.compiled.jit import JIT_OPTIONS
from recast.nn.recurrence.compiled.unit_loop import step_backward, step_forward


class PeepholeLSTMUnits(NamedTuple):
    """peepholes: (3, n, H), those of the gates i, f and o, the same for each row."""

    peepholes: np.ndarray


@overload(step_forward, jit_options=JIT_OPTIONS)
def _step_forward(cell, gates, o, plane, states, before, after, line, size):
    if getattr(cell, "instance_class", None) is not PeepholeLSTMUnits:
        return None

    def run(cell, gates, o, plane, states, before, after, line, size):
        input_gate, forget_gate = gates[o : o + size], gates[o + plane : o + plane + size]
        candidate, output_gate = (
            gates[o + 2 * plane : o + 2 * plane + size],
            gates[o + 3 * plane : o + 3 * plane + size],
        )
        to_input, to_forget, to_output = (
            cell.peepholes[:size], cell.peepholes[size : 2 * size], cell.peepholes[2 * size :]
        )  # fmt: skip
        old, new = states[before + line : before + line + size], states[after + line : after + line + size]
        hidden = states[after : after + size]
        for k in range(size):
            input_gate[k] = sigmoid(input_gate[k] + to_input[k] * old[k])
        for k in range(size):
            forget_gate[k] = sigmoid(forget_gate[k] + to_forget[k] * old[k])
        for k in range(size):
            candidate[k] = tanh(candidate[k])
        for k in range(size):
            new[k] = forget_gate[k] * old[k] + input_gate[k] * candidate[k]
        for k in range(size):
            output_gate[k] = sigmoid(output_gate[k] + to_output[k] * new[k])
        for k in range(size):
            hidden[k] = output_gate[k] * tanh(new[k])

    return run


@overload(step_backward, jit_options=JIT_OPTIONS)
def _step_backward(cell, gates, o, plane, states, before, after, line, running, size):
    if getattr(cell, "instance_class", None) is not PeepholeLSTMUnits:
        return None

    def run(cell, gates, o, plane, states, before, after, line, running, size):
        input_gate, forget_gate = gates[o : o + size], gates[o + plane : o + plane + size]
        candidate, output_gate = (
            gates[o + 2 * plane : o + 2 * plane + size],
            gates[o + 3 * plane : o + 3 * plane + size],
        )
        to_input, to_forget, to_output = (
            cell.peepholes[:size], cell.peepholes[size : 2 * size], cell.peepholes[2 * size :]
        )  # fmt: skip
        old, new = states[before + line : before + line + size], states[after + line : after + line + size]
        d, dc = running[:size], running[size : 2 * size]
        zero, one = d.dtype.type(0), d.dtype.type(1)
        for k in range(size):
            activated, gate = tanh(new[k]), output_gate[k]
            do = d[k] * activated * gate * (one - gate)
            dc[k] += d[k] * gate * (one - activated * activated) + do * to_output[k]
            output_gate[k] = do
        for k in range(size):
            gate, value = input_gate[k], candidate[k]
            input_gate[k] = dc[k] * value * gate * (one - gate)
            candidate[k] = dc[k] * gate * (one - value * value)
        for k in range(size):
            d[k] = dc[k] * forget_gate[k]
        for k in range(size):
            forget_gate[k] = dc[k] * old[k] * forget_gate[k] * (one - forget_gate[k])
        for k in range(size):
            dc[k] = d[k] + input_gate[k] * to_input[k] + forget_gate[k] * to_forget[k]
        for k in range(size):
            d[k] = zero

    return run

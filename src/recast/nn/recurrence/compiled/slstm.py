"""The units of the sLSTM; see `recast.nn.cells.slstm` for its formulas.

Gates i, f, z, o; fields hidden, cell, normaliser and stabiliser. After the forward pass the planes hold the stabilised
i, the pre-activation of f, and the values of z and o.
"""

from typing import NamedTuple

from numba.core.extending import overload

from recast.nn.recurrence.compiled.activations import choose, sigmoid, tanh
from recast.nn.recurrence.compiled.exponential import decay, log1p
from recast.nn.recurrence.compiled.jit import JIT_OPTIONS, jit
from recast.nn.recurrence.compiled.unit_loop import step_backward, step_forward


class SLSTMUnits(NamedTuple):
    """exponential: whether the forget gate is exp(f) rather than sigmoid(f)."""

    exponential: bool


@jit
def _fill_kept(kept, forget, stabiliser, exponential):
    """Writes log f + m."""
    zero = kept.dtype.type(0)
    if exponential:
        for k in range(len(kept)):
            kept[k] = forget[k] + stabiliser[k]
    else:
        for k in range(len(kept)):
            f = forget[k]
            kept[k] = choose(f < zero, f, zero) - log1p(decay(-abs(f))) + stabiliser[k]


@overload(step_forward, jit_options=JIT_OPTIONS)
def _step_forward(cell, gates, o, plane, states, before, after, line, size):
    if getattr(cell, "instance_class", None) is not SLSTMUnits:
        return None

    def run(cell, gates, o, plane, states, before, after, line, size):
        input_gate, forget = gates[o : o + size], gates[o + plane : o + plane + size]
        candidate, output_gate = (
            gates[o + 2 * plane : o + 2 * plane + size],
            gates[o + 3 * plane : o + 3 * plane + size],
        )
        c, n, m = (
            states[before + line : before + line + size],
            states[before + 2 * line : before + 2 * line + size],
            states[before + 3 * line : before + 3 * line + size],
        )
        hidden, new_c, new_n, new_m = (
            states[after : after + size],
            states[after + line : after + line + size],
            states[after + 2 * line : after + 2 * line + size],
            states[after + 3 * line : after + 3 * line + size],
        )
        zero = hidden.dtype.type(0)
        forget_gate = hidden  # the gate f until the output replaces it
        _fill_kept(new_m, forget, m, cell.exponential)
        for k in range(size):
            i, kept = input_gate[k], new_m[k]
            top = choose(n[k] == zero, i, choose(kept > i, kept, i))
            over = kept - top
            forget_gate[k] = decay(choose(over > zero, zero, over))
            input_gate[k] = decay(i - top)
            new_m[k] = top
        for k in range(size):
            candidate[k] = tanh(candidate[k])
        for k in range(size):
            output_gate[k] = sigmoid(output_gate[k])
        for k in range(size):
            new_c[k] = forget_gate[k] * c[k] + input_gate[k] * candidate[k]
        for k in range(size):
            new_n[k] = forget_gate[k] * abs(n[k]) + input_gate[k]
        for k in range(size):
            hidden[k] = output_gate[k] * new_c[k] / new_n[k]

    return run


@overload(step_backward, jit_options=JIT_OPTIONS)
def _step_backward(cell, gates, o, plane, states, before, after, line, running, size):
    if getattr(cell, "instance_class", None) is not SLSTMUnits:
        return None

    def run(cell, gates, o, plane, states, before, after, line, running, size):
        input_gate, forget = gates[o : o + size], gates[o + plane : o + plane + size]
        candidate, output_gate = (
            gates[o + 2 * plane : o + 2 * plane + size],
            gates[o + 3 * plane : o + 3 * plane + size],
        )
        c, n, m = (
            states[before + line : before + line + size],
            states[before + 2 * line : before + 2 * line + size],
            states[before + 3 * line : before + 3 * line + size],
        )
        new_c, new_n, new_m = (
            states[after + line : after + line + size],
            states[after + 2 * line : after + 2 * line + size],
            states[after + 3 * line : after + 3 * line + size],
        )
        d, dc, dn, dm = running[:size], running[size : 2 * size], running[2 * size : 3 * size], running[3 * size :]
        zero, one = d.dtype.type(0), d.dtype.type(1)
        for k in range(size):
            dc[k] += d[k] * output_gate[k] / new_n[k]
        for k in range(size):
            dn[k] -= d[k] * output_gate[k] * new_c[k] / (new_n[k] * new_n[k])
        for k in range(size):
            output_gate[k] = d[k] * new_c[k] / new_n[k] * output_gate[k] * (one - output_gate[k])
        forget_gate = d  # the gate f; the gradient of the output has been used
        _fill_kept(forget_gate, forget, m, cell.exponential)
        for k in range(size):
            over = forget_gate[k] - new_m[k]
            forget_gate[k] = decay(choose(over > zero, zero, over))
        for k in range(size):
            gate, value = input_gate[k], candidate[k]
            input_gate[k] = (dc[k] * value + dn[k]) * gate
            candidate[k] = dc[k] * gate * (one - value * value)
        # The stabiliser was log i where nothing had been written, where log f + m has no effect, or is the smaller one.
        for k in range(size):
            effect = choose(n[k] == zero, choose(forget_gate[k] < one, one, zero), one)
            dm[k] -= input_gate[k] + effect * (dc[k] * c[k] + dn[k] * abs(n[k])) * forget_gate[k]
        for k in range(size):
            from_kept = choose(n[k] == zero, zero, choose(forget_gate[k] < one, zero, one))
            input_gate[k] += (one - from_kept) * dm[k]
        for k in range(size):
            from_kept = choose(n[k] == zero, zero, choose(forget_gate[k] < one, zero, one))
            effect = choose(n[k] == zero, choose(forget_gate[k] < one, one, zero), one)
            dm[k] = from_kept * dm[k] + effect * (dc[k] * c[k] + dn[k] * abs(n[k])) * forget_gate[k]
        if cell.exponential:
            for k in range(size):
                forget[k] = dm[k]
        else:
            for k in range(size):
                small = decay(-abs(forget[k]))
                forget[k] = dm[k] * choose(forget[k] < zero, one, small) / (one + small)
        for k in range(size):
            dc[k] *= forget_gate[k]
        for k in range(size):
            dn[k] *= choose(n[k] < zero, -forget_gate[k], forget_gate[k])
        for k in range(size):
            d[k] = zero

    return run

"""The gates, new state and derivatives of each cell.

Gates are stored in consecutive planes, each of rows x hidden numbers:

    rnn   a            a = W_i x + W_h h + b
    gru   c r z n      c = W_hn h + b_hn;  r, z as in the rnn;  n = W_in x + b_in
    lstm  i f g o

so that inputs contribute to all planes but a GRU's first, and hidden states to all but its last. `GATES` give the gate
values from the pre-activations, `STATES` the fields of the new state from these values and the old state.
`differentiate` replaces the gate values by the gradients of the pre-activations, given those of the new state in `d`
(hidden) and `dc` (cell of the LSTM), where it leaves the part of the old state's gradient that does not pass through a
matrix product.
"""

from recast.nn.recurrence.compiled.activations import sigmoid, tanh
from recast.nn.recurrence.compiled.jit import jit

RNN, GRU, LSTM = range(3)
PLANES = (1, 4, 4)
INPUT_PLANES = ((0, 1), (1, 4), (0, 4))
HIDDEN_PLANES = ((0, 1), (0, 3), (0, 4))
FIELDS = (1, 1, 2)


def _rnn_gates(a):
    return (tanh(a),)


def _rnn_state(gates, old):
    return gates


def _gru_gates(c, r, z, n):
    reset = sigmoid(r)
    return c, reset, sigmoid(z), tanh(n + reset * c)


def _gru_state(gates, old):
    _, _, update, candidate = gates
    return (candidate + update * (old[0] - candidate),)


def _lstm_gates(i, f, g, o):
    return sigmoid(i), sigmoid(f), tanh(g), sigmoid(o)


def _lstm_state(gates, old):
    write, keep, candidate, show = gates
    cell = keep * old[1] + write * candidate
    return show * tanh(cell), cell


GATES = (_rnn_gates, _gru_gates, _lstm_gates)
STATES = (_rnn_state, _gru_state, _lstm_state)


@jit
def rnn_differentiate(a, after, d):
    zero, one = d.dtype.type(0), d.dtype.type(1)
    for k in range(len(d)):
        h = after[k]
        a[k] = d[k] * (one - h * h)
        d[k] = zero


@jit
def gru_differentiate(c, r, z, n, before, d):
    one = d.dtype.type(1)
    for k in range(len(d)):
        reset, update, candidate, gradient = r[k], z[k], n[k], d[k]
        dn = gradient * (one - update) * (one - candidate * candidate)
        r[k] = dn * c[k] * reset * (one - reset)
        z[k] = gradient * (before[k] - candidate) * update * (one - update)
        n[k] = dn
        c[k] = dn * reset
        d[k] = gradient * update


@jit
def lstm_differentiate(i, f, g, o, cell, cell_after, d, dc):
    zero, one = d.dtype.type(0), d.dtype.type(1)
    for k in range(len(d)):
        write, keep, candidate, show = i[k], f[k], g[k], o[k]
        shown, gradient = tanh(cell_after[k]), d[k]
        dcell = dc[k] + gradient * show * (one - shown * shown)
        o[k] = gradient * shown * show * (one - show)
        i[k] = dcell * candidate * write * (one - write)
        f[k] = dcell * cell[k] * keep * (one - keep)
        g[k] = dcell * write * (one - candidate * candidate)
        dc[k] = dcell * keep
        d[k] = zero

"""One step of each cell, forth and back, on the gates of all rows.

Gates lie in planes, one behind the other, each of rows x hidden numbers:

    rnn   a            a = W_i x + W_h h + b
    gru   c r z n      c = W_hn h + b_hn;  r, z as in the rnn;  n = W_in x + b_in
    lstm  i f g o

so that inputs reach all planes but a GRU's first, and hidden states all but its last. `advance` makes a new state of
the sums and overwrites nothing; `activate` puts the gates' values in the place of the sums; `differentiate` puts the
derivative of the loss with respect to the sums in the place of these, given that with respect to the new state in `d`
(hidden) and `dc` (cell of the LSTM), where it leaves the part of the derivative with respect to the old state that does
not pass through a product.
"""

from recast.recurrence.compiled.functions import sigmoid, tanh
from recast.recurrence.compiled.options import jit

RNN, GRU, LSTM = range(3)
PLANES = (1, 4, 4)
INPUT_PLANES = ((0, 1), (1, 4), (0, 4))
HIDDEN_PLANES = ((0, 1), (0, 3), (0, 4))


@jit
def rnn_advance(a, after):
    for k in range(len(after)):
        after[k] = tanh(a[k])


@jit
def rnn_differentiate(a, after, d):
    zero, one = d.dtype.type(0), d.dtype.type(1)
    for k in range(len(d)):
        h = after[k]
        a[k] = d[k] * (one - h * h)
        d[k] = zero


@jit
def gru_advance(c, r, z, n, before, after):
    for k in range(len(after)):
        candidate = tanh(n[k] + sigmoid(r[k]) * c[k])
        after[k] = candidate + sigmoid(z[k]) * (before[k] - candidate)


@jit
def gru_activate(c, r, z, n):
    for k in range(len(c)):
        reset = sigmoid(r[k])
        r[k] = reset
        z[k] = sigmoid(z[k])
        n[k] = tanh(n[k] + reset * c[k])


@jit
def gru_differentiate(c, r, z, n, before, d):
    one = d.dtype.type(1)
    for k in range(len(d)):
        reset, update, candidate, slope = r[k], z[k], n[k], d[k]
        dn = slope * (one - update) * (one - candidate * candidate)
        r[k] = dn * c[k] * reset * (one - reset)
        z[k] = slope * (before[k] - candidate) * update * (one - update)
        n[k] = dn
        c[k] = dn * reset
        d[k] = slope * update


@jit
def lstm_advance(i, f, g, o, cell, after, cell_after):
    for k in range(len(after)):
        new = sigmoid(f[k]) * cell[k] + sigmoid(i[k]) * tanh(g[k])
        cell_after[k] = new
        after[k] = sigmoid(o[k]) * tanh(new)


@jit
def lstm_activate(i, f, g, o):
    for k in range(len(i)):
        i[k] = sigmoid(i[k])
        f[k] = sigmoid(f[k])
        g[k] = tanh(g[k])
        o[k] = sigmoid(o[k])


@jit
def lstm_differentiate(i, f, g, o, cell, cell_after, d, dc):
    zero, one = d.dtype.type(0), d.dtype.type(1)
    for k in range(len(d)):
        write, keep, candidate, show = i[k], f[k], g[k], o[k]
        shown, slope = tanh(cell_after[k]), d[k]
        dcell = dc[k] + slope * show * (one - shown * shown)
        o[k] = slope * shown * show * (one - show)
        i[k] = dcell * candidate * write * (one - write)
        f[k] = dcell * cell[k] * keep * (one - keep)
        g[k] = dcell * write * (one - candidate * candidate)
        dc[k] = dcell * keep
        d[k] = zero

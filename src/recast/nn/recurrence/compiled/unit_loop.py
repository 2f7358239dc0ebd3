"""The loop of cells whose step is a product with the hidden state, and then a function of each unit alone.

    a_p = r_p + R_p h,  p = 1 ... 4         r: what the inputs contribute
    state' = step_forward(a, state)         and step_backward for the backward pass

A cell is a NamedTuple of what its functions need, and a file with the two functions for that type; see `peephole_lstm`.
They work on all units of all rows of a block, with gates and states as flat arrays: gate p is at `o + p * plane`, field
q of the old and of the new state at `before + q * line` and `after + q * line`, `size` numbers each. `step_forward`
replaces the pre-activations by what `step_backward` needs of them, and that replaces these by the gradients of the
pre-activations.

Loops over units write few arrays each: LLVM vectorises a loop only if it can tell with few comparisons that its arrays
do not overlap.
"""

from recast.nn.recurrence.compiled.jit import jit
from recast.nn.recurrence.compiled.tile import product

GATES = 4
"""Pre-activations of each unit."""


def step_forward(cell, gates, o, plane, states, before, after, line, size):
    """The new state and the gates."""
    raise NotImplementedError  # compiled code calls an overload for the cell


def step_backward(cell, gates, o, plane, states, before, after, line, running, size):
    """The gradients of the pre-activations, and in `running` those of the old state instead of the new one.

    That of the old hidden state is left at zero: it comes through the product alone.
    """
    raise NotImplementedError  # compiled code calls an overload for the cell


@jit
def forward(cell, gates, states, weights, steps, rows, units):
    """Runs over all steps.

    Args:
        cell: What the cell's functions need.
        gates: (4, T, n, H), the contributions of the inputs; replaced by the gates.
        states: (Q, T + 1, n, H); those before the first step are given, the others written.
        weights: (4, H, H), transposed recurrent matrices: from the unit of a row to that of a column.
        steps: T.
        rows: n, a multiple of `TILE_ROWS`.
        units: H, a multiple of `PANEL_COLUMNS`.
    """
    size = rows * units
    plane, line = steps * size, (steps + 1) * size
    for t in range(steps):
        o = t * size
        for gate in range(GATES):
            a = gate * plane + o
            product(
                gates, a, units, gates, a, units, states, o, units, 1, weights, gate * units * units, units, rows,
                units, units,
            )  # fmt: skip
        step_forward(cell, gates, o, plane, states, o, o + size, line, size)


@jit
def backward(cell, gates, states, weights, outputs, upstream, upstream_of, running, steps, rows, units, fields):
    """Runs the backward pass.

    Args:
        cell: As in the forward pass.
        gates: As the forward pass left them; replaced by the gradients of the pre-activations.
        states: Those of the forward pass.
        weights: (4, H, H), recurrent matrices: from the unit of a column to that of a row.
        outputs: (T, n, H), upstream gradients of the hidden state after each step.
        upstream: (selected steps, Q, n, H), upstream gradients of states.
        upstream_of: (T), index of the one that belongs to the state after a step; negative: none.
        running: (Q, n, H), zeros; at the end the gradient of the initial state.
        steps: T.
        rows: n.
        units: H.
        fields: Q.
    """
    size = rows * units
    plane, line = steps * size, (steps + 1) * size
    for t in range(steps - 1, -1, -1):
        o = t * size
        for k in range(size):
            running[k] += outputs[o + k]
        if upstream_of[t] >= 0:
            u = upstream_of[t] * fields * size
            for k in range(fields * size):
                running[k] += upstream[u + k]
        step_backward(cell, gates, o, plane, states, o, o + size, line, running, size)
        for gate in range(GATES):
            product(
                running, 0, units, running, 0, units, gates, gate * plane + o, units, 1, weights, gate * units * units,
                units, rows, units, units,
            )  # fmt: skip

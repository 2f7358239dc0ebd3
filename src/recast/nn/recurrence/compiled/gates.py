"""A step of a layer in registers: the pre-activations of all gates for a few rows and columns, and the cell's update.

Pre-activations never leave the registers, and a tile's divisions and polynomials overlap with the products of the next
one. The weights of a panel of columns are contiguous, with all gates of one depth adjacent, so that they are read
sequentially:

    (columns / PANEL_COLUMNS, depth, gates, PANEL_COLUMNS)
"""

from numba import types
from numba.core.extending import intrinsic, overload

from recast.nn.recurrence.compiled import cells
from recast.nn.recurrence.compiled.jit import JIT_OPTIONS
from recast.nn.recurrence.compiled.layout import PANEL_COLUMNS, TILE_ROWS, accumulators
from recast.nn.recurrence.compiled.tile import lowered
from recast.nn.recurrence.compiled.vectors import vector_bytes

PARTS = 5
"""Parts that the weights of a layer are packed into; those of the readout come last."""

# Columns of the table of offsets. Those of the backward pass hold the same weights again, as its products read them.
BIAS, INPUT, HIDDEN, HIDDEN_BACKWARD, INPUT_BACKWARD = range(PARTS)


def _make_tile(kind, rows, *, activate):
    """A tile of `rows` x one vector of `ADVANCE` or `ACTIVATE`, at a column."""
    fields = cells.FIELDS[kind]
    from_inputs, from_hidden = range(*cells.INPUT_PLANES[kind]), range(*cells.HIDDEN_PLANES[kind])

    @intrinsic
    def tile(typing, out, o, apart, weights, bias, inputs, hidden, states, s, line, column, units, left, l, ls, depth):
        n = types.intp
        signature = types.void(out, n, n, weights, n, n, n, states, n, n, n, n, left, n, n, n)

        def generate(context, builder, sig, args):
            code, values = lowered(context, builder, sig, args)
            out, o, apart, weights, bias, inputs, hidden, states, s, line, column, units, left, l, ls, depth = values

            def sums_of(planes, sums, array, place, stride, matrix, depth):
                """`sums`, one list per plane, plus what the rows of an array contribute to some planes."""
                starts = [code.at(place, code.times(stride, row)) for row in range(rows)]

                def terms(step):
                    first = code.at(matrix, code.times(step, len(planes) * PANEL_COLUMNS))
                    own = [code.spread(array, code.at(start, step)) for start in starts]
                    found = [
                        code.load(weights, code.at(first, number * PANEL_COLUMNS)) for number in range(len(planes))
                    ]
                    return [(weight, number) for weight in found for number in own]

                gathered = iter(code.gather([total for plane in planes for total in sums[plane]], depth, terms))
                return [
                    [next(gathered) for _ in sums[plane]] if plane in planes else sums[plane]
                    for plane in range(len(sums))
                ]

            sums = [
                [code.load(weights, code.at(bias, code.times(units, plane), column))] * rows
                for plane in range(cells.PLANES[kind])
            ]
            sums = sums_of(from_hidden, sums, states, s, units, hidden, units)
            sums = sums_of(from_inputs, sums, left, l, ls, inputs, depth)
            for row, sums_of_row in enumerate(zip(*sums, strict=True)):
                here = code.at(column, code.times(units, row))
                results = cells.GATES[kind](*sums_of_row)
                if not activate:
                    old = [code.load(states, code.at(s, code.times(line, field), here)) for field in range(fields)]
                    results = cells.STATES[kind](results, old)
                for number, result in enumerate(results):
                    code.store(result, out, code.at(o, code.times(apart, number), here))
            return context.get_dummy_value()

        return signature, generate

    return tile


def _over_all_tiles(kind, *, activate):
    """The entry of `ADVANCE` or `ACTIVATE` for a kind of cell."""

    def run_tiles(out, o, apart, weights, at, layer, states, s, line, left, l, ls, depth, rows, units):
        raise NotImplementedError  # compiled code calls the result of `_run_tiles`

    @overload(run_tiles, jit_options=JIT_OPTIONS)
    def _run_tiles(out, o, apart, weights, at, layer, states, s, line, left, l, ls, depth, rows, units):
        lanes = vector_bytes() // (out.dtype.bitwidth // 8)
        tall = accumulators() // cells.PLANES[kind]
        short = min(TILE_ROWS, tall)
        tall_tile, short_tile = (_make_tile(kind, count, activate=activate) for count in (tall, short))
        per_input, per_unit = (
            PANEL_COLUMNS * (stop - first) for first, stop in (cells.INPUT_PLANES[kind], cells.HIDDEN_PLANES[kind])
        )

        def run(out, o, apart, weights, at, layer, states, s, line, left, l, ls, depth, rows, units):
            bias = at[layer, BIAS]
            for column in range(0, units, lanes):
                panel, part = column // PANEL_COLUMNS, column % PANEL_COLUMNS
                inputs = at[layer, INPUT] + panel * depth * per_input + part
                hidden = at[layer, HIDDEN] + panel * units * per_unit + part
                i = 0
                while i + tall <= rows:
                    tall_tile(
                        out, o + i * units, apart, weights, bias, inputs, hidden, states, s + i * units, line, column,
                        units, left, l + i * ls, ls, depth,
                    )  # fmt: skip
                    i += tall
                while i < rows:
                    short_tile(
                        out, o + i * units, apart, weights, bias, inputs, hidden, states, s + i * units, line, column,
                        units, left, l + i * ls, ls, depth,
                    )  # fmt: skip
                    i += short

        return run

    return run_tiles


# For each kind of cell a compiled function that advances `rows` rows of a layer,
#
#     run(out, o, apart, weights, at, layer, states, s, line, left, l, ls, depth, rows, units)
#
# given its old state, at place `s` and one `line` further each field, and what it reads, `left` at `l`, `ls` from row
# to row, `depth` numbers each. `ADVANCE` writes the fields of the new state, `ACTIVATE` the gates' values, to place `o`
# of `out` and one `apart` further each.
ADVANCE = tuple(_over_all_tiles(kind, activate=False) for kind in (cells.RNN, cells.GRU, cells.LSTM))
ACTIVATE = tuple(_over_all_tiles(kind, activate=True) for kind in (cells.RNN, cells.GRU, cells.LSTM))

"""A step of a layer in registers: sums of a few rows and columns for all gates at once, and what the cell makes of them.

Sums go through no memory, and a tile's divisions and polynomials run beside the products of the next one. The weights
of 16 columns lie together, those of all gates for one depth side by side, so that they are read in a line:

    (columns / 16, depth, gates, 16)
"""

from numba import types
from numba.core.extending import intrinsic, overload

from recast.recurrence.compiled import cells
from recast.recurrence.compiled.options import OPTIONS
from recast.recurrence.compiled.tile import COLUMNS, ROWS, lowered
from recast.recurrence.compiled.vectors import vector_bytes

# Columns of the table of places, one line a layer, that of the readout last.
BIAS, INPUT, HIDDEN, HIDDEN_BACK, INPUT_BACK = range(5)


def _make_tile(kind, rows, *, activate):
    """`rows` x one vector of what `advance` or `activate` compute."""
    planes, fields = cells.PLANES[kind], cells.FIELDS[kind]
    from_inputs, from_hidden = range(*cells.INPUT_PLANES[kind]), range(*cells.HIDDEN_PLANES[kind])

    @intrinsic
    def tile(
        typing, out, o, apart, weights, bias, inputs, hidden, states, s, line, column, units, left, l, ls, depth
    ):
        n = types.intp
        signature = types.void(out, n, n, weights, n, n, n, states, n, n, n, n, left, n, n, n)

        def generate(context, builder, sig, args):
            code, values = lowered(context, builder, sig, args)
            out, o, apart, weights, bias, inputs, hidden, states, s, line, column, units, left, l, ls, depth = values
            sums = [
                code.load(weights, code.at(bias, code.times(units, plane), column))
                for plane in range(planes)
                for _ in range(rows)
            ]

            def add(reading, array, place, stride, matrix, first, depth):
                starts = [code.at(place, code.times(stride, row)) for row in range(rows)]

                def terms(step):
                    line = code.at(first, builder.mul(step, code.index(len(reading) * COLUMNS)))
                    spread = [code.spread(array, code.at(start, step)) for start in starts]
                    found = [code.load(matrix, code.at(line, number * COLUMNS)) for number in range(len(reading))]
                    return [(one, other) for other in found for one in spread]

                own = slice(reading.start * rows, reading.stop * rows)
                sums[own] = code.gather(sums[own], depth, terms)

            add(from_hidden, states, s, units, weights, hidden, units)
            add(from_inputs, left, l, ls, weights, inputs, depth)
            for row in range(rows):
                here = code.times(units, row)
                gates = cells.GATES[kind](*sums[row::rows])
                results = gates
                if not activate:
                    old = [
                        code.load(states, code.at(s, code.times(line, field), here, column)) for field in range(fields)
                    ]
                    results = cells.STATES[kind](gates, old)
                for number, result in enumerate(results):
                    code.store(result, out, code.at(o, code.times(apart, number), here, column))
            return context.get_dummy_value()

        return signature, generate

    return tile


def _of_all_tiles(kind, *, activate):
    def run_tiles(weights, at, layer, states, s, line, left, l, ls, depth, out, o, apart, rows, units):
        raise NotImplementedError  # compiled code calls what `_run_tiles` gives

    @overload(run_tiles, jit_options=OPTIONS)
    def _run_tiles(weights, at, layer, states, s, line, left, l, ls, depth, out, o, apart, rows, units):
        lanes = vector_bytes() // (out.dtype.bitwidth // 8)
        sums = 16 if vector_bytes() == 64 else 8
        tall = min(ROWS * 4, sums // cells.PLANES[kind])
        short = min(ROWS, tall)
        begin, end = cells.HIDDEN_PLANES[kind]
        first, stop = cells.INPUT_PLANES[kind]
        of_hidden, of_inputs = (end - begin) * COLUMNS, (stop - first) * COLUMNS
        tall_tile, short_tile = (_make_tile(kind, count, activate=activate) for count in (tall, short))

        def run(weights, at, layer, states, s, line, left, l, ls, depth, out, o, apart, rows, units):
            bias = at[layer, BIAS]
            for panel in range(units // COLUMNS):
                for part in range(0, COLUMNS, lanes):
                    inputs = at[layer, INPUT] + panel * depth * of_inputs + part
                    hidden = at[layer, HIDDEN] + panel * units * of_hidden + part
                    column = panel * COLUMNS + part
                    i = 0
                    while i < rows:
                        if rows - i >= tall:
                            tall_tile(
                                out, o + i * units, apart, weights, bias, inputs, hidden, states, s + i * units, line,
                                column, units, left, l + i * ls, ls, depth,
                            )  # fmt: skip
                            i += tall
                        else:
                            short_tile(
                                out, o + i * units, apart, weights, bias, inputs, hidden, states, s + i * units, line,
                                column, units, left, l + i * ls, ls, depth,
                            )  # fmt: skip
                            i += short

        return run

    return run_tiles


ADVANCE = tuple(_of_all_tiles(kind, activate=False) for kind in (cells.RNN, cells.GRU, cells.LSTM))
ACTIVATE = tuple(_of_all_tiles(kind, activate=True) for kind in (cells.RNN, cells.GRU, cells.LSTM))

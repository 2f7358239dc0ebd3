"""Register-tiled products of small matrices, which dominate the cost of a recurrent step.

A general matrix library spends most of its time on set-up at 16 x 64 @ 64 x 192. Here a tile of the result stays in
vector registers over the whole depth of the product. The tile is written as LLVM vectors, because Numba's own loops do
not compile to this.
"""

from numba import types
from numba.core.extending import intrinsic, overload
from numba.np.arrayobj import make_array

from recast.nn.recurrence.compiled.code import CodeEmitter
from recast.nn.recurrence.compiled.jit import JIT_OPTIONS
from recast.nn.recurrence.compiled.layout import TILE_ROWS, accumulators
from recast.nn.recurrence.compiled.vectors import vector_bytes


def lowered(context, builder, signature, args):
    """A `CodeEmitter` for the number type of the first array, and the arguments, arrays as addresses."""
    values = [
        make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
        for kind, value in zip(signature.args, args, strict=True)
    ]
    dtype = signature.args[0].dtype
    return CodeEmitter(builder, context.get_data_type(dtype), dtype.bitwidth // 8), values


def _make_tile(rows, vectors):
    """A tile of `rows` x `vectors` vectors of `product`."""

    @intrinsic
    def tile(typing, out, o, so, start, s, ss, left, l, sl, dl, right, r, dr, depth):
        n = types.intp
        signature = types.void(out, n, n, start, n, n, left, n, n, n, right, n, n, n)

        def generate(context, builder, sig, args):
            code, (out, o, so, start, s, ss, left, l, sl, dl, right, r, dr, depth) = lowered(
                context, builder, sig, args
            )
            cells = [(row, part * code.lanes) for row in range(rows) for part in range(vectors)]
            sums = [code.load(start, code.at(s, code.times(ss, row), part)) for row, part in cells]
            lefts = [code.at(l, code.times(sl, row)) for row in range(rows)]

            def terms(step):
                line, along = code.at(r, builder.mul(step, dr)), builder.mul(step, dl)
                rights = [code.load(right, code.at(line, part * code.lanes)) for part in range(vectors)]
                return [(code.spread(left, code.at(place, along)), other) for place in lefts for other in rights]

            for value, (row, part) in zip(code.gather(sums, depth, terms), cells, strict=True):
                code.store(value, out, code.at(o, code.times(so, row), part))
            return context.get_dummy_value()

        return signature, generate

    return tile


def product(out, o, so, start, s, ss, left, l, sl, dl, right, r, dr, rows, columns, depth):
    """Computes out = start + left @ right, `rows` x `columns`, multiples of `TILE_ROWS` and `PANEL_COLUMNS`.

    Arrays are flat; each is followed by the offset of its first element and its strides, all in elements:

        out[o + i so + j] = start[s + i ss + j] + sum over k < depth of left[l + i sl + k dl] right[r + k dr + j]

    With a stride `ss` of 0, `start` is one row for all, such as a bias.
    """
    raise NotImplementedError  # compiled code calls the result of `_product`


@overload(product, jit_options=JIT_OPTIONS)
def _product(out, o, so, start, s, ss, left, l, sl, dl, right, r, dr, rows, columns, depth):
    lanes = vector_bytes() // (out.dtype.bitwidth // 8)
    widest, tall = accumulators() // TILE_ROWS, accumulators()
    wide, half, narrow, column = (
        _make_tile(*shape) for shape in ((TILE_ROWS, widest), (TILE_ROWS, 2), (TILE_ROWS, 1), (tall, 1))
    )
    wide_columns, half_columns = widest * lanes, 2 * lanes

    def run(out, o, so, start, s, ss, left, l, sl, dl, right, r, dr, rows, columns, depth):
        j = 0
        while j < columns:
            over, i = columns - j, 0
            while i < rows:
                a, b, c = o + i * so + j, s + i * ss + j, l + i * sl
                if over >= wide_columns:
                    wide(out, a, so, start, b, ss, left, c, sl, dl, right, r + j, dr, depth)
                elif over >= half_columns:
                    half(out, a, so, start, b, ss, left, c, sl, dl, right, r + j, dr, depth)
                elif rows - i < tall:
                    narrow(out, a, so, start, b, ss, left, c, sl, dl, right, r + j, dr, depth)
                else:
                    column(out, a, so, start, b, ss, left, c, sl, dl, right, r + j, dr, depth)
                    i += tall - TILE_ROWS
                i += TILE_ROWS
            j += wide_columns if over >= wide_columns else half_columns if over >= half_columns else lanes

    return run

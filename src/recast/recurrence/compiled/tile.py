"""Matrix products for small matrices, in registers: what a step of a recurrence spends its time on.

A general matrix library spends most of its time on preparations at 16 x 64 @ 64 x 192. Here a tile of the result stays
in vector registers while the whole depth of the product runs past it. The tile is written as LLVM vectors, because
Numba's own loops are not turned into this.
"""

from llvmlite import ir
from numba import types
from numba.core.extending import intrinsic, overload
from numba.np.arrayobj import make_array

from recast.recurrence.compiled.options import OPTIONS, jit
from recast.recurrence.compiled.vectors import vector_bytes

COLUMNS = 16
"""A result has a multiple of so many columns."""
ROWS = 4
"""A result has a multiple of so many rows."""
_INDEX = ir.IntType(64)
_LANE = ir.IntType(32)


class _Code:
    """Writes LLVM code for vectors of one type.

    Args:
        builder: Where the code goes.
        scalar: LLVM's type of a number.
        size: Bytes of a number.
    """

    def __init__(self, builder, scalar, size):
        self.builder = builder
        self.size = size
        self.lanes = vector_bytes() // size
        self.vector = ir.VectorType(scalar, self.lanes)

    def at(self, base, *terms):
        """A sum of offsets, integers among them."""
        for term in terms:
            base = self.builder.add(base, _INDEX(term) if isinstance(term, int) else term)
        return base

    def times(self, stride, number):
        """A multiple of a stride."""
        return self.builder.mul(stride, _INDEX(number))

    def _place(self, array, offset):
        return self.builder.bitcast(self.builder.gep(array, [offset]), self.vector.as_pointer())

    def load(self, array, offset):
        """A vector of neighbours."""
        found = self.builder.load(self._place(array, offset))
        found.align = self.size
        return found

    def store(self, value, array, offset):
        """Writes a vector of neighbours."""
        self.builder.store(value, self._place(array, offset)).align = self.size

    def spread(self, array, offset):
        """A vector of one number."""
        undefined = ir.Constant(self.vector, ir.Undefined)
        number = self.builder.load(self.builder.gep(array, [offset]))
        one = self.builder.insert_element(undefined, number, _LANE(0))
        zeros = ir.Constant(ir.VectorType(_LANE, self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(one, undefined, zeros)

    def add_product(self, total, one, other):
        """One instruction where the CPU has it."""
        contract = ("contract",)
        return self.builder.fadd(total, self.builder.fmul(one, other, flags=contract), flags=contract)

    def add_products(self, sums, tile, term):
        """The sums, and left @ right over its depth; no code runs where the depth is 0."""
        builder, (rows, vectors) = self.builder, tile
        left, l, sl, dl, right, r, dr, depth = term
        entry = builder.block
        body, end = builder.append_basic_block("depth"), builder.append_basic_block("done")
        lefts = [self.at(l, self.times(sl, row)) for row in range(rows)]
        builder.cbranch(builder.icmp_signed("<", _INDEX(0), depth), body, end)
        builder.position_at_end(body)
        step = builder.phi(_INDEX)
        before = [builder.phi(self.vector) for _ in sums]
        line, along = self.at(r, builder.mul(step, dr)), builder.mul(step, dl)
        rights = [self.load(right, self.at(line, part * self.lanes)) for part in range(vectors)]
        spreads = [self.spread(left, self.at(lefts[row], along)) for row in range(rows)]
        after = [
            self.add_product(total, spreads[place // vectors], rights[place % vectors])
            for place, total in enumerate(before)
        ]
        following = builder.add(step, _INDEX(1))
        step.add_incoming(_INDEX(0), entry)
        step.add_incoming(following, body)
        builder.cbranch(builder.icmp_signed("<", following, depth), body, end)
        builder.position_at_end(end)
        results = []
        for total, phi, new in zip(sums, before, after, strict=True):
            phi.add_incoming(total, entry)
            phi.add_incoming(new, body)
            results.append(builder.phi(self.vector))
            results[-1].add_incoming(total, entry)
            results[-1].add_incoming(new, body)
        return results


def _make_tile(rows, vectors):
    """`rows` x `vectors` vectors of what `products` computes."""

    @intrinsic
    def tile(
        typing, out, o, so, start, s, ss, left, l, sl, dl, right, r, dr, depth, left2, l2, sl2, right2, r2, dr2, depth2
    ):
        n = types.intp
        signature = types.void(
            out, n, n, start, n, n, left, n, n, n, right, n, n, n, left2, n, n, right2, n, n, n
        )  # fmt: skip

        def generate(context, builder, sig, args):
            values = [
                make_array(kind)(context, builder, value).data if isinstance(kind, types.Array) else value
                for kind, value in zip(sig.args, args, strict=True)
            ]
            (out, o, so), (start, s, ss), first, (left2, l2, sl2, right2, r2, dr2, depth2) = (
                values[:3], values[3:6], values[6:14], values[14:]
            )  # fmt: skip
            second = left2, l2, sl2, _INDEX(1), right2, r2, dr2, depth2
            dtype = sig.args[0].dtype
            code = _Code(builder, context.get_data_type(dtype), dtype.bitwidth // 8)
            cells = [(row, part * code.lanes) for row in range(rows) for part in range(vectors)]
            sums = [code.load(start, code.at(s, code.times(ss, row), part)) for row, part in cells]
            for term in (first, second):
                sums = code.add_products(sums, (rows, vectors), term)
            for value, (row, part) in zip(sums, cells, strict=True):
                code.store(value, out, code.at(o, code.times(so, row), part))
            return context.get_dummy_value()

        return signature, generate

    return tile


def products(
    out, o, so, start, s, ss, left, l, sl, dl, right, r, dr, depth,
    left2, l2, sl2, right2, r2, dr2, depth2, rows, columns,
):  # fmt: skip
    """Computes out = start + left @ right + left2 @ right2, `rows` x `columns`, multiples of `ROWS` and `COLUMNS`.

    Arrays are flat; after each come the place of its first number and its strides, all counted in numbers:

        out[o + i so + j] = start[s + i ss + j] + sum over k < depth of left[l + i sl + k dl] right[r + k dr + j]
                            + sum over k < depth2 of left2[l2 + i sl2 + k] right2[r2 + k dr2 + j]

    With a stride `ss` of 0 `start` is one row for all, such as a bias.
    """
    raise NotImplementedError  # compiled code calls what `_products` gives


@overload(products, jit_options=OPTIONS)
def _products(
    out, o, so, start, s, ss, left, l, sl, dl, right, r, dr, depth,
    left2, l2, sl2, right2, r2, dr2, depth2, rows, columns,
):  # fmt: skip
    lanes = vector_bytes() // (out.dtype.bitwidth // 8)
    # 16 sums in 32 registers, or 8 in 16: enough to hide how long a product takes, with room for its factors.
    widest = 4 if vector_bytes() == 64 else 2
    wide, half, narrow = (_make_tile(ROWS, vectors) for vectors in (widest, 2, 1))
    wide_columns, half_columns = widest * lanes, 2 * lanes

    def run(
        out, o, so, start, s, ss, left, l, sl, dl, right, r, dr, depth,
        left2, l2, sl2, right2, r2, dr2, depth2, rows, columns,
    ):  # fmt: skip
        j = 0
        while j < columns:
            over = columns - j
            for i in range(0, rows, ROWS):
                a, b, c, d = o + i * so + j, s + i * ss + j, l + i * sl, l2 + i * sl2
                if over >= wide_columns:
                    wide(
                        out, a, so, start, b, ss, left, c, sl, dl, right, r + j, dr, depth,
                        left2, d, sl2, right2, r2 + j, dr2, depth2,
                    )  # fmt: skip
                elif over >= half_columns:
                    half(
                        out, a, so, start, b, ss, left, c, sl, dl, right, r + j, dr, depth,
                        left2, d, sl2, right2, r2 + j, dr2, depth2,
                    )  # fmt: skip
                else:
                    narrow(
                        out, a, so, start, b, ss, left, c, sl, dl, right, r + j, dr, depth,
                        left2, d, sl2, right2, r2 + j, dr2, depth2,
                    )  # fmt: skip
            j += wide_columns if over >= wide_columns else half_columns if over >= half_columns else lanes

    return run


@jit
def product(out, o, so, start, s, ss, left, l, sl, dl, right, r, dr, rows, columns, depth):
    """Computes out = start + left @ right; see `products`."""
    products(out, o, so, start, s, ss, left, l, sl, dl, right, r, dr, depth, left, 0, 0, right, 0, 0, 0, rows, columns)

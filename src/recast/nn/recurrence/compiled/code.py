"""Generates LLVM vector code through method calls and Python operators."""

from typing import Any, Self

from llvmlite import ir

from recast.nn.recurrence.compiled.vectors import vector_bytes

_INDEX = ir.IntType(64)
_LANE = ir.IntType(32)
# Products and sums may be fused, and nothing else; NaN and infinity are preserved.
_FLAGS = ("contract", "nsz")


class Mask:
    """A truth value in each lane."""

    def __init__(self, builder: Any, value: ir.Value) -> None:
        self.builder = builder
        self.value = value

    def choose(self, one: Any, other: Any) -> "Vector":
        """Lanes of one vector where it is true, of the other elsewhere; either may be a scalar."""
        like = one if isinstance(one, Vector) else other
        return like.with_value(self.builder.select(self.value, like.value_of(one), like.value_of(other)))


class Vector:
    """Numbers in a register; arithmetic on it emits code. Scalar operands are broadcast to all lanes."""

    # NumPy scalars defer arithmetic to this class.
    __array_ufunc__ = None

    def __init__(self, builder: Any, value: Any) -> None:
        self.builder = builder
        self.value = value

    @property
    def is_single(self) -> bool:
        """Whether its numbers are float32."""
        return isinstance(self.value.type.element, ir.FloatType)

    def with_value(self, value: Any) -> Self:
        """Another vector with the same builder."""
        return type(self)(self.builder, value)

    def value_of(self, other: Any) -> Any:
        """The register of a vector, or a scalar broadcast to one."""
        if isinstance(other, Vector):
            return other.value
        return ir.Constant(self.value.type, [float(other)] * self.value.type.count)

    def __add__(self, other: Any) -> Self:
        return self.with_value(self.builder.fadd(self.value, self.value_of(other), flags=_FLAGS))

    def __sub__(self, other: Any) -> Self:
        return self.with_value(self.builder.fsub(self.value, self.value_of(other), flags=_FLAGS))

    def __rsub__(self, other: Any) -> Self:
        return self.with_value(self.builder.fsub(self.value_of(other), self.value, flags=_FLAGS))

    def __mul__(self, other: Any) -> Self:
        return self.with_value(self.builder.fmul(self.value, self.value_of(other), flags=_FLAGS))

    def __truediv__(self, other: Any) -> Self:
        return self.with_value(self.builder.fdiv(self.value, self.value_of(other), flags=_FLAGS))

    def __rtruediv__(self, other: Any) -> Self:
        return self.with_value(self.builder.fdiv(self.value_of(other), self.value, flags=_FLAGS))

    def __neg__(self) -> Self:
        return self.with_value(self.builder.fneg(self.value))

    def __gt__(self, other: Any) -> Mask:
        return Mask(self.builder, self.builder.fcmp_ordered(">", self.value, self.value_of(other)))

    def __lt__(self, other: Any) -> Mask:
        return Mask(self.builder, self.builder.fcmp_ordered("<", self.value, self.value_of(other)))

    __radd__ = __add__
    __rmul__ = __mul__

    def floor(self) -> Self:
        """Rounds down to a whole number."""
        kind = self.value.type
        name = f"llvm.floor.v{kind.count}{kind.element.intrinsic_name}"
        module = self.builder.module
        floor = module.globals.get(name) or ir.Function(module, ir.FunctionType(kind, [kind]), name)
        return self.with_value(self.builder.call(floor, [self.value]))

    def two_to(self) -> Self:
        """Two to the power of it, a whole number in float64, by setting the exponent bits."""
        count = self.value.type.count
        short, long = (ir.VectorType(ir.IntType(bits), count) for bits in (32, 64))
        whole = self.builder.sext(self.builder.fptosi(self.value, short), long)
        exponent = self.builder.add(whole, ir.Constant(long, [1023] * count))
        bits = self.builder.shl(exponent, ir.Constant(long, [52] * count))
        return self.with_value(self.builder.bitcast(bits, self.value.type))


class CodeEmitter:
    """Emits code for addresses, loads, stores and accumulation loops.

    Args:
        builder: The LLVM builder that receives the code.
        scalar: LLVM type of a number.
        size: Bytes per number.
    """

    def __init__(self, builder: Any, scalar: ir.Type, size: int) -> None:
        self.builder = builder
        self.size = size
        self.lanes = vector_bytes() // size
        self.vector = ir.VectorType(scalar, self.lanes)

    def at(self, base: ir.Value, *terms: ir.Value | int) -> ir.Value:
        """A sum of offsets, integers among them."""
        for term in terms:
            base = self.builder.add(base, _INDEX(term) if isinstance(term, int) else term)
        return base

    def times(self, stride: ir.Value, number: int) -> ir.Value:
        """A multiple of a stride."""
        return self.builder.mul(stride, _INDEX(number))

    def _place(self, array: ir.Value, offset: ir.Value) -> ir.Value:
        return self.builder.bitcast(self.builder.gep(array, [offset]), self.vector.as_pointer())

    def load(self, array: ir.Value, offset: ir.Value) -> Vector:
        """Loads a vector of consecutive numbers."""
        found = self.builder.load(self._place(array, offset))
        found.align = self.size
        return Vector(self.builder, found)

    def store(self, vector: Vector, array: ir.Value, offset: ir.Value) -> None:
        """Stores a vector of consecutive numbers."""
        self.builder.store(vector.value, self._place(array, offset)).align = self.size

    def spread(self, array: ir.Value, offset: ir.Value) -> Vector:
        """A vector filled with one number."""
        undefined = ir.Constant(self.vector, ir.Undefined)
        number = self.builder.load(self.builder.gep(array, [offset]))
        one = self.builder.insert_element(undefined, number, _LANE(0))
        zeros = ir.Constant(ir.VectorType(_LANE, self.lanes), [0] * self.lanes)
        return Vector(self.builder, self.builder.shuffle_vector(one, undefined, zeros))

    def gather(self, sums: list[Vector], depth: ir.Value, terms: Any) -> list[Vector]:
        """The sums after `depth` steps, each adding `terms(step)`; no code runs if depth is 0.

        Args:
            sums: Vectors.
            depth: Number of steps.
            terms: Returns a list of pairs of factors, one pair for each sum.
        """
        builder = self.builder
        entry = builder.block
        body, end = builder.append_basic_block("depth"), builder.append_basic_block("done")
        builder.cbranch(builder.icmp_signed("<", _INDEX(0), depth), body, end)
        builder.position_at_end(body)
        step = builder.phi(_INDEX)
        before = [builder.phi(self.vector) for _ in sums]
        after = [
            (Vector(builder, total) + one * other).value
            for total, (one, other) in zip(before, terms(step), strict=True)
        ]
        following = builder.add(step, _INDEX(1))
        step.add_incoming(_INDEX(0), entry)
        step.add_incoming(following, body)
        builder.cbranch(builder.icmp_signed("<", following, depth), body, end)
        builder.position_at_end(end)
        results = []
        for total, phi, new in zip(sums, before, after, strict=True):
            phi.add_incoming(total.value, entry)
            phi.add_incoming(new, body)
            results.append(Vector(builder, builder.phi(self.vector)))
            results[-1].value.add_incoming(total.value, entry)
            results[-1].value.add_incoming(new, body)
        return results

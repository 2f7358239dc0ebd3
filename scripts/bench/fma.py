"""Multiply-adds in registers and nothing else: what the processor can do."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core.extending import intrinsic

from recast.nn.recurrence.compiled.jit import JIT_OPTIONS
from recast.nn.recurrence.compiled.tile import product
from recast.nn.recurrence.compiled.vectors import vector_bytes

CHAINS = 12
"""Sums that wait for nothing but themselves: more than two units of four or five cycles each can have in work, and few
enough for the 16 registers of AVX2."""
LANES = vector_bytes() // 4
ROWS, COLUMNS, DEPTH = 16, 64, 64
"""A product of 24 KiB, which stays in the first cache: 16 x 64 @ 64 x 64, a gate of a block of rows."""


@intrinsic
def _chains(typing: Any, count: Any, factor: Any) -> Any:  # noqa: ARG001 - what Numba hands over
    """The sum of `CHAINS` vectors after `count` times x = x * factor + factor."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ARG001
        count, factor = arguments
        number, index = ir.IntType(64), ir.IntType(32)
        vector = ir.VectorType(ir.FloatType(), LANES)
        none = ir.Constant(vector, ir.Undefined)
        one = builder.insert_element(none, factor, index(0))
        factors = builder.shuffle_vector(one, none, ir.Constant(ir.VectorType(index, LANES), [0] * LANES))
        before = builder.block
        body, end = builder.append_basic_block("body"), builder.append_basic_block("end")
        builder.branch(body)
        builder.position_at_end(body)
        step = builder.phi(number)
        old = [builder.phi(vector) for _ in range(CHAINS)]
        flags = ("contract",)
        new = [builder.fadd(builder.fmul(x, factors, flags=flags), factors, flags=flags) for x in old]
        following = builder.add(step, number(1))
        step.add_incoming(number(0), before)
        step.add_incoming(following, body)
        for chain, (phi, value) in enumerate(zip(old, new, strict=True)):
            # Different starts: equal chains would be computed once.
            phi.add_incoming(ir.Constant(vector, [float(chain)] * LANES), before)
            phi.add_incoming(value, body)
        builder.cbranch(builder.icmp_signed("<", following, count), body, end)
        builder.position_at_end(end)
        total = new[0]
        for value in new[1:]:
            total = builder.fadd(total, value)
        return builder.extract_element(total, index(0))

    return types.float32(types.int64, types.float32), generate


@njit(nogil=True)
def chains(count: int, factor: np.float32) -> np.float32:
    """`count` steps of all chains: 2 * `CHAINS` * `LANES` operations each."""
    return _chains(count, factor)  # pyright: ignore[reportCallIssue] Numba gives the first argument


@njit(**JIT_OPTIONS)
def products(count: int, out: np.ndarray, left: np.ndarray, right: np.ndarray) -> None:
    """`count` products of recast's tile, out += left @ right: 2 * ROWS * COLUMNS * DEPTH operations each."""
    for _ in range(count):
        product(out, 0, COLUMNS, out, 0, COLUMNS, left, 0, DEPTH, 1, right, 0, COLUMNS, ROWS, COLUMNS, DEPTH)

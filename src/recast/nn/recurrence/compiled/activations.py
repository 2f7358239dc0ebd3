"""Sigmoid and hyperbolic tangent that LLVM can vectorise; those of the C library are scalar.

They are written once, for scalars in compiled loops and for vectors in registers (`code.Vector`).

float32: tanh(x) = x P(x²) / Q(x²) on [-7.95, 7.95], beyond that -1 or 1. P of degree 3, and Q of degree 4, whose
highest coefficient is 1, are fitted by scripts/fit_tanh.py: relative error 1.4e-7, and 4.8e-7 with rounding in float32.

float64: through exp(x) = 2^k exp(r), |r| <= log(2)/2, with Taylor's polynomial of degree 13 (error 4e-18); absolute
error of sigmoid and tanh below 4e-16.

NaN stays NaN: comparisons with it are false and leave it unchanged. At infinity they are exactly 0 or ±1: a closed gate
times infinity is NaN, as in torch, and must not be hidden.
"""

import math

import numpy as np
from numba import float32, int32, int64
from numba.core.extending import overload, register_jitable

from recast.nn.recurrence.compiled.jit import JIT_OPTIONS


def choose(condition, one, other):
    """`one` where the condition holds, otherwise `other`."""
    return condition.choose(one, other)


@overload(choose, jit_options=JIT_OPTIONS)
def _choose(condition, one, other):
    return lambda condition, one, other: one if condition else other


def _floor(x):
    return x.floor()


@overload(_floor, jit_options=JIT_OPTIONS)
def _floor_of_a_number(x):
    def floor(x):
        return np.floor(x)

    return floor


def _two_to(k):
    return k.two_to()


@overload(_two_to, jit_options=JIT_OPTIONS)
def _two_to_a_number(k):
    # The exponent's bits.
    return lambda k: np.int64((int64(int32(k)) + 1023) << 52).view(np.float64)


_BOUND = float32(7.95)
_P = (4039024.5785345943, 522247.98225363274, 11938.37251158325, 46.36843050663704)
_Q = (4039025.1363986116, 1868585.1673351228, 96269.59301483611, 966.7046460294853)
_P0, _P1, _P2, _P3 = map(float32, _P)
_Q0, _Q1, _Q2, _Q3 = map(float32, _Q)
# 1/2 + tanh(x / 2) / 2 = 1/2 + x R(x²) / S(x²).
_R0, _R1, _R2, _R3 = (float32(p * 4.0 ** (3 - power)) for power, p in enumerate(_P))
_S0, _S1, _S2, _S3 = (float32(q * 4.0 ** (4 - power)) for power, q in enumerate(_Q))


@register_jitable(**JIT_OPTIONS)
def _tanh32(x):
    s = x * x
    p = ((_P3 * s + _P2) * s + _P1) * s + _P0
    q = (((s + _Q3) * s + _Q2) * s + _Q1) * s + _Q0
    above = choose(x > _BOUND, float32(1), x * p / q)
    return choose(x < -_BOUND, float32(-1), above)


@register_jitable(**JIT_OPTIONS)
def _sigmoid32(x):
    s = x * x
    p = ((_R3 * s + _R2) * s + _R1) * s + _R0
    q = (((s + _S3) * s + _S2) * s + _S1) * s + _S0
    above = choose(x > float32(2) * _BOUND, float32(1), float32(0.5) + x * p / q)
    return choose(x < float32(-2) * _BOUND, float32(0), above)


_LOG2E = 1 / math.log(2)
_LN2_HIGH = float.fromhex(
    "0x1.62E42FEFA3800p-1"
)  # log(2) in two parts, the first short enough for exact products with k
_LN2_LOW = float.fromhex("0x1.EF35793C76730p-45")
_LARGEST = 700.0
_TAYLOR = tuple(1 / math.factorial(n) for n in range(14))


@register_jitable(**JIT_OPTIONS)
def exp64(x):
    inside = choose(x > _LARGEST, _LARGEST, choose(x < -_LARGEST, -_LARGEST, x))
    k = _floor(inside * _LOG2E + 0.5)
    r = (inside - k * _LN2_HIGH) - k * _LN2_LOW
    p = _TAYLOR[13]
    p = p * r + _TAYLOR[12]
    p = p * r + _TAYLOR[11]
    p = p * r + _TAYLOR[10]
    p = p * r + _TAYLOR[9]
    p = p * r + _TAYLOR[8]
    p = p * r + _TAYLOR[7]
    p = p * r + _TAYLOR[6]
    p = p * r + _TAYLOR[5]
    p = p * r + _TAYLOR[4]
    p = p * r + _TAYLOR[3]
    p = p * r + _TAYLOR[2]
    p = p * r + 1.0
    p = p * r + 1.0
    # The product keeps NaN, whatever its power of two is computed to be.
    return choose(x > _LARGEST, math.inf, p * _two_to(k))


@register_jitable(**JIT_OPTIONS)
def _tanh64(x):
    return 1.0 - 2.0 / (1.0 + exp64(2.0 * x))


@register_jitable(**JIT_OPTIONS)
def _sigmoid64(x):
    return 1.0 / (1.0 + exp64(-x))


def tanh(x):
    """The hyperbolic tangent."""
    return _tanh32(x) if x.is_single else _tanh64(x)


def sigmoid(x):
    """1 / (1 + exp(-x))."""
    return _sigmoid32(x) if x.is_single else _sigmoid64(x)


@overload(tanh, jit_options=JIT_OPTIONS)
def _tanh(x):
    return _tanh32 if x == float32 else _tanh64


@overload(sigmoid, jit_options=JIT_OPTIONS)
def _sigmoid(x):
    return _sigmoid32 if x == float32 else _sigmoid64

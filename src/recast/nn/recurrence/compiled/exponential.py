"""Exponential and logarithm for loops over numbers, which LLVM can vectorise; see `activations`.

float32: exp(x) = 2^k exp(r), |r| <= log(2)/2, with Taylor's polynomial of degree 7 (relative error 5e-9 before
rounding). Both types: log(1 + u) = 2 artanh(s), s = u / (2 + u) <= 1/3, by its series, to a relative error of 2e-9 and
2e-18.

NaN stays NaN.
"""

import math

import numpy as np
from numba import float32, int32
from numba.core.extending import overload, register_jitable

from recast.nn.recurrence.compiled.activations import choose, exp64
from recast.nn.recurrence.compiled.jit import JIT_OPTIONS

_LOG2E = float32(1 / math.log(2))
_LN2_HIGH = float32(float.fromhex("0x1.62E4p-1"))  # log(2) in two parts, the first exact in products with k
_LN2_LOW = float32(math.log(2) - float.fromhex("0x1.62E4p-1"))
_SMALLEST = float32(-87)
_TAYLOR = tuple(float32(1 / math.factorial(n)) for n in range(8))
_SERIES32 = tuple(float32(2 / (2 * n + 1)) for n in range(8))
_SERIES64 = tuple(2 / (2 * n + 1) for n in range(17))


@register_jitable(**JIT_OPTIONS)
def _decay32(x):
    inside = choose(x < _SMALLEST, _SMALLEST, x)
    k = np.floor(inside * _LOG2E + float32(0.5))
    r = (inside - k * _LN2_HIGH) - k * _LN2_LOW
    p = _TAYLOR[7]
    p = p * r + _TAYLOR[6]
    p = p * r + _TAYLOR[5]
    p = p * r + _TAYLOR[4]
    p = p * r + _TAYLOR[3]
    p = p * r + _TAYLOR[2]
    p = p * r + _TAYLOR[1]
    p = p * r + _TAYLOR[0]
    # The exponent's bits.
    power = np.int32((int32(k) + 127) << 23).view(np.float32)
    return choose(x < _SMALLEST, float32(0), p * power)


@register_jitable(**JIT_OPTIONS)
def _log1p32(u):
    s = u / (float32(2) + u)
    square = s * s
    total = _SERIES32[7]
    total = total * square + _SERIES32[6]
    total = total * square + _SERIES32[5]
    total = total * square + _SERIES32[4]
    total = total * square + _SERIES32[3]
    total = total * square + _SERIES32[2]
    total = total * square + _SERIES32[1]
    return s * (total * square + _SERIES32[0])


@register_jitable(**JIT_OPTIONS)
def _log1p64(u):
    s = u / (2.0 + u)
    square = s * s
    total = _SERIES64[16]
    total = total * square + _SERIES64[15]
    total = total * square + _SERIES64[14]
    total = total * square + _SERIES64[13]
    total = total * square + _SERIES64[12]
    total = total * square + _SERIES64[11]
    total = total * square + _SERIES64[10]
    total = total * square + _SERIES64[9]
    total = total * square + _SERIES64[8]
    total = total * square + _SERIES64[7]
    total = total * square + _SERIES64[6]
    total = total * square + _SERIES64[5]
    total = total * square + _SERIES64[4]
    total = total * square + _SERIES64[3]
    total = total * square + _SERIES64[2]
    total = total * square + _SERIES64[1]
    return s * (total * square + _SERIES64[0])


def decay(x):
    """exp(x) for x <= 0."""
    raise NotImplementedError  # compiled code calls the result of `_decay`


@overload(decay, jit_options=JIT_OPTIONS)
def _decay(x):
    return _decay32 if x == float32 else exp64


def log1p(u):
    """log(1 + u) for u from 0 to 1."""
    raise NotImplementedError  # compiled code calls the result of `_log1p`


@overload(log1p, jit_options=JIT_OPTIONS)
def _log1p(u):
    return _log1p32 if u == float32 else _log1p64

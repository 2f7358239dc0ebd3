"""Sigmoid and hyperbolic tangent that LLVM turns into vector code; those of the C library go number by number.

float32: tanh(x) = x P(x²) / Q(x²) on [-7.95, 7.95], beyond that -1 or 1. P and Q of degree 4 are fitted by
scripts/fit_tanh.py: relative error 6e-9, and 3.4e-7 with rounding in float32.

float64: through exp(x) = 2^k exp(r), |r| <= log(2)/2, with Taylor's polynomial of degree 13 (error 4e-18); absolute
error of sigmoid and tanh below 4e-16.

NaN stays NaN: a comparison with it is false, and leaves it alone (the order of arguments of min and max matters). At
infinity they are exactly 0 or ±1: a closed gate times infinity is NaN, as it is in torch, and must not be hidden.
"""

import math

import numpy as np
from numba import float32, int32, int64
from numba.core.extending import overload

from recast.recurrence.compiled.options import OPTIONS, jit

_BOUND = float32(7.95)
_P = tuple(
    map(
        float32,
        (0.999999993968522, 0.1344756348252778, 0.0035752987592875627, 2.195893920553108e-05, 1.5328939696746603e-08),
    )
)
_Q = tuple(map(float32, (1.0, 0.46780891150588094, 0.026178358114021444, 0.0003417474545108665, 8.560565163367485e-07)))


@jit
def _tanh32(x):
    s = x * x
    p = (((_P[4] * s + _P[3]) * s + _P[2]) * s + _P[1]) * s + _P[0]
    q = (((_Q[4] * s + _Q[3]) * s + _Q[2]) * s + _Q[1]) * s + _Q[0]
    inside = x * p / q
    above = float32(1) if x > _BOUND else inside
    return float32(-1) if x < -_BOUND else above


@jit
def _sigmoid32(x):
    return float32(0.5) + float32(0.5) * _tanh32(float32(0.5) * x)


_LOG2E = 1 / math.log(2)
_LN2_HIGH = float.fromhex(
    "0x1.62E42FEFA3800p-1"
)  # log(2) in two parts, the first short enough for exact products with k
_LN2_LOW = float.fromhex("0x1.EF35793C76730p-45")
_LARGEST = 700.0
_TAYLOR = tuple(1 / math.factorial(n) for n in range(14))


@jit
def _exp64(x):
    beyond = x > _LARGEST
    x = -_LARGEST if x < -_LARGEST else x  # noqa: FURB136 - NaN stays
    x = _LARGEST if x > _LARGEST else x  # noqa: FURB136
    k = math.floor(x * _LOG2E + 0.5)
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
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
    # The exponent's bits of 2^k. NaN stays NaN by the product, whatever integer it is turned into.
    power = np.int64((int64(int32(k)) + 1023) << 52).view(np.float64)
    return math.inf if beyond else p * power


@jit
def _tanh64(x):
    return 1.0 - 2.0 / (1.0 + _exp64(2.0 * x))


@jit
def _sigmoid64(x):
    return 1.0 / (1.0 + _exp64(-x))


def tanh(x):
    """The hyperbolic tangent, in compiled code."""
    raise NotImplementedError


def sigmoid(x):
    """1 / (1 + exp(-x)), in compiled code."""
    raise NotImplementedError


@overload(tanh, jit_options=OPTIONS)
def _tanh(x):
    chosen = _tanh32 if x == float32 else _tanh64

    def of(x):
        return chosen(x)

    return of


@overload(sigmoid, jit_options=OPTIONS)
def _sigmoid(x):
    chosen = _sigmoid32 if x == float32 else _sigmoid64

    def of(x):
        return chosen(x)

    return of

"""Compiler options of all Numba kernels."""

import numba

# Sums may be reordered and products fused, as in any fast matrix product. NaN and infinity are preserved: a diverging
# network must visibly diverge.
_FAST = {"contract", "reassoc", "nsz", "arcp"}
JIT_OPTIONS = {"fastmath": _FAST, "nogil": True, "boundscheck": False, "error_model": "numpy"}
jit = numba.njit(**JIT_OPTIONS)

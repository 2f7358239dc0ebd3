"""How Numba compiles all kernels."""

import numba

# Sums may be reordered and products fused, as in any fast matrix product. NaN and infinity stay what they are: a
# diverging network must be seen to diverge.
_FAST = {"contract", "reassoc", "nsz", "arcp"}
JIT_OPTIONS = {"fastmath": _FAST, "nogil": True, "boundscheck": False, "error_model": "numpy"}
jit = numba.njit(**JIT_OPTIONS)

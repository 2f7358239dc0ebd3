"""Vector width of this CPU."""

import re
from functools import cache
from typing import Any

import llvmlite.binding as llvm
from numba.core.registry import cpu_target

# A sum of two vectors of 64 bytes: LLVM splits it into as many registers as the CPU needs.
_PROBE = """define <16 x float> @f(<16 x float> %a, <16 x float> %b) {
  %c = fadd <16 x float> %a, %b
  ret <16 x float> %c
}"""
_AVX512 = 64
_REGISTERS = {"zmm": _AVX512, "ymm": 32}
_SMALLEST = 16


@cache
def vector_bytes() -> int:
    """Bytes in a vector register of the CPU that Numba compiles for: 64 (AVX-512), 32 (AVX2) or 16 (any other).

    Numba's settings NUMBA_CPU_NAME and NUMBA_CPU_FEATURES choose that CPU; by default it is this one.
    """
    context: Any = cpu_target.target_context
    _, cpu, features = context.codegen().magic_tuple()
    machine = llvm.Target.from_default_triple().create_target_machine(cpu=cpu, features=features, opt=2)
    assembly = machine.emit_assembly(llvm.parse_assembly(_PROBE))
    found = set(re.findall(r"[xyz]mm", assembly))
    return max((size for register, size in _REGISTERS.items() if register in found), default=_SMALLEST)


def registers() -> int:
    """Vector registers that code may use at once: 32 with AVX-512, else 16."""
    return 32 if vector_bytes() == _AVX512 else 16

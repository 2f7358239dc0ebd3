"""The resident memory of this process, and its peak over a piece of work."""

import contextlib
import ctypes
import gc
from pathlib import Path

STATUS, PEAK_SWITCH = Path("/proc/self/status"), Path("/proc/self/clear_refs")
RESET_PEAK = "5"
MIB = 2**20


def _line(name: str) -> float:
    for line in STATUS.read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / MIB
    raise RuntimeError(f"{STATUS} has no {name}")


def begin() -> float:
    """Gives back to the system what is free, forgets the peak so far, and returns what is resident now, in MiB.

    Raises:
        OSError: where the system has no such peak: only Linux has it.
    """
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # glibc
    PEAK_SWITCH.write_text(RESET_PEAK, encoding="utf-8")
    return _line("VmRSS")


def peak() -> float:
    """The peak since `begin`, in MiB."""
    return _line("VmHWM")

"""The compiled loops, cached on disk so that only the first run on a machine compiles them."""

import fcntl
import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, Any, NamedTuple

import llvmlite
import numba
import numpy as np
import platformdirs
from numba import types
from numba.core import config
from numba.core.caching import NullCache

from recast.nn.recurrence.compiled.backward import backward
from recast.nn.recurrence.compiled.forward import forward
from recast.nn.recurrence.compiled.records import BackwardArrays, ForwardArrays, LoopRecord

log = logging.getLogger(__name__)
# Numba sets its settings as attributes on import, where type checkers cannot see them.
settings: Any = config

Signature = tuple[types.Type, ...]


class Kernels(NamedTuple):
    """Compiled loops for one dtype; see `forward` and `backward`.

    They require the record types that they were compiled for, with contiguous arrays, and check neither.
    """

    forward: Callable[..., None]
    backward: Callable[..., None]


@cache
def compiled(dtype: np.dtype[Any], folder: Path | None = None) -> Kernels:
    """The loops for a dtype, from disk or compiled now.

    Args:
        dtype: float32 or float64.
        folder: Where they are cached; none: the user's cache folder, or one in the temporary folder if that is not
            writable. [folder]
    """
    signatures = _signature(ForwardArrays, dtype), _signature(BackwardArrays, dtype)
    return compiled_for((forward, backward), signatures, f"{dtype}", folder)


def compiled_for(
    loops: tuple[Any, Any], signatures: tuple[Signature, Signature], what: str, folder: Path | None
) -> Kernels:
    """A forward and a backward loop for their argument types, from disk or compiled now.

    Args:
        loops: The loops.
        signatures: The types of their arguments.
        what: What they are for, in the log.
        folder: As in `compiled`.
    """
    with _kept_in(folder if folder is not None else default_folder(), loops):
        before, started = _not_on_disk(loops), time.perf_counter()
        kernels = Kernels(*map(_compile, loops, signatures))
        seconds = time.perf_counter() - started
        missing = _not_on_disk(loops) - before
    if missing:
        log.info("recurrence kernels for %s compiled in %.1f s", what, seconds)
    return kernels


def _compile(loop: Any, signature: Signature) -> Callable[..., None]:
    """The machine code for a signature, called without dispatching on argument types again."""
    try:
        loop.compile(signature)
    except OSError as error:
        log.warning("recurrence kernels are not kept for the next start: %s", error)
        loop._cache = NullCache()  # noqa: SLF001 - as in `enable_caching`
        loop.compile(signature)
    return loop.get_overload(signature)


def _not_on_disk(loops: Sequence[Any]) -> int:
    """How often this process has had to compile these loops so far."""
    return sum(sum(loop.stats.cache_misses.values()) for loop in loops)


def default_folder() -> Path | None:
    """The first writable folder for kernels; None if there is none."""
    return next(filter(is_usable, _places()), None)


def _places() -> Iterator[Path]:
    cache = Path(platformdirs.user_cache_dir("recast"))
    # An unexpanded ~ means that there is no home folder.
    if cache.is_absolute():
        yield cache
    # Raised if there is no temporary folder.
    with suppress(FileNotFoundError):
        yield Path(tempfile.gettempdir()) / f"recast-{os.getuid()}"


def is_usable(folder: Path) -> bool:
    """Whether a folder can be created, written and locked, and belongs to this user: its contents are executed."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if folder.stat().st_uid != os.getuid():
            return False
        _locked(folder).close()
    except OSError:
        return False
    return True


def _locked(folder: Path) -> IO[str]:
    """An exclusively locked file; closing it releases the lock."""
    # Some cluster file systems do not support locks.
    lock = (folder / "lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
    except OSError:
        lock.close()
        raise
    return lock


@contextmanager
def _kept_in(folder: Path | None, loops: Sequence[Any]) -> Iterator[None]:
    """Caches what is compiled of some loops within in a folder of this version, one process at a time.

    Numba numbers a function's files in an index that two processes would overwrite for each other: one could then load
    what the other compiled for other types.
    """
    if folder is None:
        log.warning(
            "recurrence kernels are compiled at each start: neither the cache nor the temporary folder is writable"
        )
        yield
        return
    place = folder / "kernels" / _version()
    try:
        place.mkdir(parents=True, exist_ok=True)
        lock = _locked(place)
    except OSError as error:
        log.warning("recurrence kernels are compiled at each start: %s", error)
        yield
        return
    before = settings.CACHE_DIR
    with lock:
        settings.CACHE_DIR = str(place)
        try:
            for loop in loops:
                loop.enable_caching()
            yield
        finally:
            settings.CACHE_DIR = before


def _version() -> str:
    """Hash of what the machine code depends on and Numba does not check: the modules next to this one, Numba, LLVM."""
    code = hashlib.sha256(f"{numba.__version__} {llvmlite.__version__}".encode())
    for path in sorted(Path(__file__).parent.glob("*.py")):
        code.update(path.read_bytes())
    return code.hexdigest()[:16]


def _signature(record: type[ForwardArrays | BackwardArrays], dtype: np.dtype[Any]) -> Signature:
    """Argument types of a kernel: `LoopRecord` and a record of arrays, all flat except the tables of offsets."""
    switches = {name for name, kind in LoopRecord.__annotations__.items() if kind is bool}
    sizes = [types.boolean if name in switches else types.int64 for name in LoopRecord._fields]
    numbers = types.Array(numba.from_dtype(dtype), 1, "C")
    arrays = [_OTHERS.get(name, numbers) for name in record._fields]
    return types.NamedTuple(sizes, LoopRecord), types.NamedTuple(arrays, record)


# Arrays of a record that do not hold floating-point numbers.
_OTHERS = {
    "places": types.Array(types.int64, 2, "C"),
    "gradient_places": types.Array(types.int64, 2, "C"),
    "mask": types.Array(types.uint8, 1, "C"),
    "output_gradient_of": types.Array(types.int64, 1, "C"),
    "state_gradient_of": types.Array(types.int64, 1, "C"),
}

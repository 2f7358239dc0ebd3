"""Chooses the implementation of each recurrence: the fastest one that can compute it, or the one that was asked for."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Literal

from recast.recurrence.implementation import Implementation, UnavailableError
from recast.recurrence.plain import Plain
from recast.recurrence.request import ClosedLoop, OpenLoop, Rollout, Unrolled

log = logging.getLogger(__name__)

Name = Literal["auto", "plain", "autograd", "numba", "cuda_graph"]


class Engine:
    """Runs open and closed loops by the first of several implementations that can.

    All give the same values and gradients, within rounding, and train the same parameters, so that checkpoints do not
    depend on what ran. Each choice is logged once, and so is the reason where the first in line is passed over.

    Args:
        candidates: Builders of the implementations, the one to be preferred first; the last can compute everything.
    """

    def __init__(self, candidates: list[Callable[[], Implementation]]) -> None:
        self.candidates = candidates
        self._said: set[str] = set()

    def sequence(self, request: OpenLoop) -> Unrolled:
        """Runs an open loop."""
        return self._choose(request, "open loop").sequence(request)

    def decode(self, request: ClosedLoop) -> Rollout:
        """Runs a closed loop."""
        return self._choose(request, "closed loop").decode(request)

    def _choose(self, request: OpenLoop | ClosedLoop, what: str) -> Implementation:
        *preferred, last = self.candidates
        reasons = []
        for build in preferred:
            try:
                candidate = build()
            except UnavailableError as error:
                reasons.append(str(error))
                continue
            refusal = candidate.refusal(request)
            if refusal is None:
                self._say(f"{what}: {candidate.describe(request)}{_because(reasons)}")
                return candidate
            reasons.append(f"{candidate.name}: {refusal}")
        chosen = last()
        self._say(f"{what}: {chosen.describe(request)}{_because(reasons)}")
        return chosen

    def _say(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            log.info("recurrence, %s", line)


def _because(reasons: list[str]) -> str:
    return f" ({'; '.join(reasons)})" if reasons else ""


@cache
def _plain() -> Implementation:
    return Plain()


@cache
def _autograd() -> Implementation:
    from recast.recurrence.autograd import Autograd

    return Autograd()


@cache
def _cuda_graph() -> Implementation:
    from recast.recurrence.cuda_graph import CudaGraph

    return CudaGraph()


def _numba(folder: Path | None) -> Callable[[], Implementation]:
    @cache
    def build() -> Implementation:
        try:
            import numba  # noqa: F401
        except ImportError as error:
            raise UnavailableError("numba is not installed: pip install 'recast[fast]'") from error
        from recast.recurrence.compiled.implementation import Numba

        return Numba(cache_dir=folder)

    return build


def build_engine(name: Name = "auto", cache_dir: Path | None = None) -> Engine:
    """The engine for a choice of implementation.

    Args:
        name: The implementation that is preferred, or "auto": compiled ones before those in torch.
        cache_dir: Where compiled kernels are kept; none: the user's cache folder. [folder]
    """
    builders = {"numba": _numba(cache_dir), "cuda_graph": _cuda_graph, "autograd": _autograd}
    chosen = [] if name == "plain" else list(builders.values()) if name == "auto" else [builders[name]]
    return Engine([*chosen, _plain])


_current = build_engine("plain")


def engine() -> Engine:
    """The engine that models of this process use."""
    return _current


def use(name: Name, cache_dir: Path | None = None) -> None:
    """Sets the engine that models of this process use from now on; see `build_engine`."""
    global _current  # noqa: PLW0603 - one for the process, as torch's number of threads
    _current = build_engine(name, cache_dir)


@contextmanager
def using(name: Name) -> Iterator[Engine]:
    """Within it models of this process use another engine; see `build_engine`."""
    global _current  # noqa: PLW0603
    before = _current
    _current = build_engine(name)
    try:
        yield _current
    finally:
        _current = before

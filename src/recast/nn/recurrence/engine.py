"""Chooses the implementation of each recurrence: the fastest that supports it, or the requested one."""

import importlib.util
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, final

import torch

from recast.errors import ConfigurationError
from recast.nn.recurrence.implementation import NO_GPU, Implementation, UnavailableError
from recast.nn.recurrence.plain import Plain
from recast.nn.recurrence.request import ClosedLoop, OpenLoop, Rollout, Unrolled
from recast.options import PositiveInt, checked
from recast.system.distribution import how_to_install

log = logging.getLogger(__name__)

Name = Literal["auto", "plain", "autograd", "numba", "cuda_graph"]


@final
class Engine:
    """Runs open and closed loops of recurrent layers with the first of several implementations that supports them.

        numba       compiled loops for the CPU, hand-written backpropagation; needs the extra `fast`
        cuda_graph  closed loops on a GPU as CUDA graphs; open loops there are left to cuDNN
        autograd    torch's operations, hand-written backpropagation
        plain       torch's own recurrent layers and autograd: any cell, any head; the reference

    All give the same values and gradients, within rounding, and train the same parameters, so that checkpoints are
    independent of the implementation. Under torch.compile it is always "plain". The choice is logged once for each kind
    of loop, with the reasons why others were not chosen.

    Args:
        implementation: The preferred implementation, with "plain" for what it does not support; or "auto", the first of
            those above that supports the loop.
        cache_dir: Where compiled kernels are cached; none: the user's cache folder, or one in the temporary folder if
            that is not writable. [folder]
        threads: Cores of the CPU that recurrences may use; none: as many as torch has threads. If set, give torch
            `torch_threads`: torch's threads keep their cores busy for a while after each operation, and compiled
            recurrences then wait for them. [threads]

    Raises:
        ConfigurationError: if an option has the wrong type or value, or the folder cannot be written.
    """

    @checked
    def __init__(
        self, *, implementation: Name = "auto", cache_dir: str | None = None, threads: PositiveInt | None = None
    ) -> None:
        self._folder = None if cache_dir is None else _writable(Path(cache_dir))
        self._implementation = implementation
        self._threads = threads
        builders: dict[Name, Callable[[], Implementation]] = {
            "numba": self._numba,
            "cuda_graph": _cuda_graph,
            "autograd": _autograd,
        }
        match implementation:
            case "auto":
                self._waiting = list(builders.values())
            case "plain":
                self._waiting = []
            case _:
                self._waiting = [builders[implementation]]
        self._candidates: list[Implementation] = []
        self._absent: list[str] = []
        self._said: set[str] = set()

    @property
    def torch_threads(self) -> int:
        """Recommended threads for torch's own operations: one if compiled recurrences use the cores."""
        compiled = self._implementation in {"auto", "numba"} and importlib.util.find_spec("numba") is not None
        return 1 if compiled else self._threads or torch.get_num_threads()

    def sequence(self, request: OpenLoop) -> Unrolled:
        """Runs an open loop."""
        return self.choose(request).sequence(request)

    def decode(self, request: ClosedLoop) -> Rollout:
        """Runs a closed loop."""
        return self.choose(request).decode(request)

    def choose(self, request: OpenLoop | ClosedLoop) -> Implementation:
        """The implementation that runs a request."""
        if torch.compiler.is_compiling():
            # torch.compile traces torch's own operations; anything else would break the graph.
            return Plain()
        reasons: dict[str, str] = {}
        for candidate in self._built():
            refusal = candidate.refusal(request)
            if refusal is None:
                self._say(request, candidate, reasons)
                return candidate
            reasons[candidate.name] = refusal
        raise AssertionError("the plain implementation refuses nothing")

    def _built(self) -> Iterator[Implementation]:
        """The candidates, each built, and so imported, only once all before it have refused."""
        yield from self._candidates
        while self._waiting:
            try:
                built = self._waiting.pop(0)()
            except UnavailableError as error:
                self._absent.append(str(error))
                continue
            self._candidates.append(built)
            yield built
        if not self._candidates or not isinstance(self._candidates[-1], Plain):
            self._candidates.append(Plain())
            yield self._candidates[-1]

    def _say(self, request: OpenLoop | ClosedLoop, chosen: Implementation, reasons: Mapping[str, str]) -> None:
        what = "open" if isinstance(request, OpenLoop) else "closed"
        told = "; ".join([*self._absent, *_told(reasons, alone=not self._absent)])
        because = f" ({told})" if told else ""
        # Other batch sizes are not logged again, nor the reason for the plain loop by the other kind of loop.
        news = f"plain{because}" if told and isinstance(chosen, Plain) else f"{what} {chosen.name}{because}"
        if news not in self._said:
            self._said.add(news)
            log.info("recurrence, %s loop: %s%s", what, chosen.describe(request), because)

    def _numba(self) -> Implementation:
        try:
            from recast.nn.recurrence.compiled.implementation import Numba
        except ModuleNotFoundError as error:
            if error.name in {"numba", "llvmlite", "platformdirs"}:
                raise UnavailableError(f"{error.name} is not installed: {how_to_install('fast')}") from error
            raise
        return Numba(cache_dir=self._folder, threads=self._threads)


def _told(reasons: Mapping[str, str], *, alone: bool) -> list[str]:
    """Why implementations refuse, by name; a reason that several give stands alone.

    Args:
        reasons: The reason of each.
        alone: Whether nothing else is told: else that there is no GPU is left out, as beside another reason.
    """
    telling = {name: reason for name, reason in reasons.items() if reason != NO_GPU}
    if alone and not telling:
        telling = reasons
    if len(telling) > 1 and len(set(telling.values())) == 1:
        return [*set(telling.values())]
    return [f"{name}: {reason}" for name, reason in telling.items()]


def _autograd() -> Implementation:
    from recast.nn.recurrence.autograd import Autograd

    return Autograd()


def _cuda_graph() -> Implementation:
    from recast.nn.recurrence.cuda_graph import CudaGraph

    return CudaGraph()


def _writable(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:
        raise ConfigurationError(
            f"Engine: cache_dir={folder} cannot be written ({error.strerror}); choose another folder, or null for the "
            "user's cache folder"
        ) from error


_current = Engine()


def engine() -> Engine:
    """The engine used by the models of this process."""
    return _current


def use(chosen: Engine) -> None:
    """Sets the engine used by the models of this process."""
    global _current  # noqa: PLW0603 - one for the process, as torch's number of threads
    _current = chosen


@contextmanager
def using(chosen: Engine) -> Iterator[Engine]:
    """Context manager that sets the engine of this process temporarily."""
    before = _current
    use(chosen)
    try:
        yield chosen
    finally:
        use(before)

"""Stopping on a signal: immediately if nothing is lost by it, after the current batch if a training state is at stake.

A handler that raises has four pitfalls, avoided here. An exception during a compiled module's import is turned into
another one: it is raised after that import. One in a destructor or a bare `except` is swallowed: it is raised again.
One in a `try` may make its `finally` fail, or be made another error: any error that comes after it counts as the stop.
One during training would lose steps: there the signal is deferred, and checked after each batch.
"""

import _thread
import atexit
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from recast.errors import StoppedBySignalError

RETRY = 0.01  # seconds until a signal that could not be handled is retried
UNINTERRUPTED = ("omegaconf", "pydantic")
"""Packages that turn an exception raised within them into one of their own, which is shown before it comes back here:
OmegaConf half way through changing flags of a configuration, pydantic's compiled core while it builds a schema."""


def under_slurm() -> bool:
    """Whether this process belongs to a SLURM job."""
    return "SLURM_JOB_ID" in os.environ


def stopping_signals() -> tuple[signal.Signals, ...]:
    """The signals that end a run gracefully: SIGTERM and SIGINT, under SLURM also SIGUSR1 and SIGUSR2.

    The latter are commonly sent by `sbatch --signal` before the time limit, and with `preempt_send_user_signal` before
    a preemption; elsewhere they have no meaning for recast.
    """
    always = (signal.SIGTERM, signal.SIGINT)
    return (*always, signal.SIGUSR1, signal.SIGUSR2) if under_slurm() else always


@contextmanager
def stop_on_signals(remedy: str = "") -> Iterator[None]:
    """Context in which a signal of `stopping_signals` raises StoppedBySignalError; for the main function.

    A second one ends the process immediately. Under SLURM, which sends several (SIGTERM after SIGUSR2, one more at the
    time limit), only a second SIGINT does; the others are ignored, so that saving and requeueing can complete. A first
    one after the block is ignored: the work is done, and the process about to end.

    Args:
        remedy: Appended to the message.

    Raises:
        StoppedBySignalError: if a signal came.
    """
    if _signals.installed or threading.current_thread() is not threading.main_thread():
        yield
        return
    # Python restores the fatal default handlers at shutdown, which takes a second with torch.
    atexit.register(_signals.ignore)
    try:
        _signals.install()
        yield
        _signals.leaving = True
    except BaseException:
        _signals.leaving = True
        # An error after a stop may be made of it, or of what it left undone; nothing tells such a one from others.
        if not _signals.raised:
            raise
    finally:
        _signals.installed = False
    # Also if the exception was swallowed on its way: what it interrupted is unknown.
    if _signals.came is not None:
        raise StoppedBySignalError(f"{_signals.came.name}: stopped{remedy}")


def hold() -> None:
    """Blocks the signals until `stop_on_signals` handles them, across `exec`; for a process that becomes a job."""
    signal.pthread_sigmask(signal.SIG_BLOCK, stopping_signals())


class DeferredSignals:
    """Defers signals while active; for work that stops at points of its own choice.

    Within `stop_on_signals` it uses its handlers; otherwise it installs them for the duration of the deferral.
    """

    def __init__(self) -> None:
        self._active = False
        self._own = False

    @property
    def signal(self) -> signal.Signals | None:
        """The signal that came."""
        return _signals.came if self._active else None

    def begin(self) -> None:
        """Starts deferring, in place of Lightning's handlers."""
        if self._active or threading.current_thread() is not threading.main_thread():
            return
        self._active = _signals.deferred = True
        self._own = not _signals.installed
        if self._own:
            _signals.install()
        else:
            _signals.take()

    def stop(self, message: str) -> None:
        """Leaves.

        Raises:
            StoppedBySignalError: with the message.
        """
        _signals.leaving = True
        raise StoppedBySignalError(message)

    def end(self) -> None:
        """Ends it; a pending signal is handled now.

        Raises:
            StoppedBySignalError: if there was one.
        """
        came = self.signal
        self.drop()
        if came is not None and not _signals.leaving:
            self.stop(f"{came.name}: stopped after training, whose state is saved")

    def drop(self) -> None:
        """Ends it after a failure, discarding pending signals: the error raised is enough."""
        if not self._active:
            return
        self._active = _signals.deferred = False
        if self._own:
            _signals.give_back()
            _signals.installed = False


class _Stop(BaseException):
    """Raised by the handler. Not an Exception: code that catches any of these would go on."""

    def __init__(self, name: str) -> None:
        super().__init__(name)

    def __del__(self) -> None:
        # Destroyed without being caught by `stop_on_signals`: it was swallowed.
        if not _signals.leaving:
            _signals.again()


class _Signals:
    """The signal handlers of this process and the signals received."""

    def __init__(self) -> None:
        self.installed = False
        self.deferred = False
        self.leaving = False
        self.raised = False
        self.came: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}
        self._repeated = False

    def install(self) -> None:
        """Installs the handlers, with no signal pending."""
        self.came, self.leaving, self.raised, self._repeated = None, False, False, False
        self._before = {number: signal.getsignal(number) for number in stopping_signals()}
        self.installed = True
        self.take()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, stopping_signals())

    def take(self) -> None:
        """Installs the handlers, replacing any installed meanwhile."""
        for number in self._before:
            signal.signal(number, self._handle)

    def give_back(self) -> None:
        """Restores the earlier handlers."""
        for number, handler in self._before.items():
            # None: not set from Python, so it cannot be set again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def ignore(self) -> None:
        """Ignores the signals."""
        for number in self._before:
            signal.signal(number, signal.SIG_IGN)

    def again(self) -> None:
        """Schedules another call of the handler for the signal that came."""
        # From a thread made without the locks of `threading`, which the interrupted code may hold.
        _thread.start_new_thread(self._repeat, ())

    def _repeat(self) -> None:
        time.sleep(RETRY)
        if self.came is not None and not self.leaving:
            self._repeated = True
            signal.pthread_kill(threading.main_thread().ident or 0, self.came)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        repeated, self._repeated = self._repeated, False
        if self.came is None:
            self.came = signal.Signals(number)
        elif not repeated:
            self._second(number)
            return
        if self.deferred or self.leaving:
            return
        if _must_not_be_interrupted(frame):
            self.again()
            return
        self.raised = True
        raise _Stop(self.came.name)

    def _second(self, number: int) -> None:
        if number == signal.SIGINT or not under_slurm():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)


def _must_not_be_interrupted(frame: FrameType | None) -> bool:
    """Whether a compiled module is being imported, or one of `UNINTERRUPTED` at work."""
    while frame is not None:
        if frame.f_code.co_qualname.startswith("ExtensionFileLoader."):
            return True
        if frame.f_globals.get("__name__", "").partition(".")[0] in UNINTERRUPTED:
            return True
        frame = frame.f_back
    return False


_signals = _Signals()

"""Leaving on a signal: at once where nothing is lost by it, after the batch in work where a state is at stake.

A handler that raises leaves three holes, closed here. An exception in the midst of a compiled module's import comes out
as another one: it is raised when that import is over. One in a destructor or a bare `except` is swallowed: it is raised
again. One in the midst of training would lose steps: there the signal is noted, and asked for after each batch.
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

RETRY = 0.01  # seconds until a signal that could not be acted upon is tried again


def under_slurm() -> bool:
    """Whether this process belongs to a job of SLURM."""
    return "SLURM_JOB_ID" in os.environ


def leaving_signals() -> tuple[signal.Signals, ...]:
    """The signals that end a run in good order: SIGTERM and SIGINT, under SLURM also SIGUSR1 and SIGUSR2.

    The latter are what `sbatch --signal` is commonly told to send before the time limit, and with
    `preempt_send_user_signal` before a preemption; elsewhere they mean nothing to recast.
    """
    always = (signal.SIGTERM, signal.SIGINT)
    return (*always, signal.SIGUSR1, signal.SIGUSR2) if under_slurm() else always


@contextmanager
def leaving_on(remedy: str = "") -> Iterator[None]:
    """Within it, a signal of `leaving_signals` ends the work with StoppedBySignalError; for the main function.

    A second one ends the process at once. Under SLURM, which sends several (SIGTERM after SIGUSR2, one more when the
    time is over), only a second SIGINT does; the others are passed over, so that saving and requeueing come to their
    end. A first one that comes after the block is passed over: the work is done, and the process about to end.

    Args:
        remedy: Added to the message.

    Raises:
        StoppedBySignalError: where a signal came.
    """
    if _signals.installed or threading.current_thread() is not threading.main_thread():
        yield
        return
    # Python gives the signals their deadly defaults back at its end, which takes a second with torch.
    atexit.register(_signals.ignore)
    try:
        _signals.install()
        yield
        _signals.leaving = True
    except BaseException as error:
        _signals.leaving = True
        if not isinstance(error, _Stop):
            raise
    finally:
        _signals.installed = False
    # Also where the exception was swallowed on its way: nobody knows what its end has left out.
    if _signals.came is not None:
        raise StoppedBySignalError(f"{_signals.came.name}: stopped{remedy}")


def hold() -> None:
    """Keeps the signals waiting until `leaving_on` takes them, across `exec`; for a process that becomes a job."""
    signal.pthread_sigmask(signal.SIG_BLOCK, leaving_signals())


class Deferral:
    """While it lasts, signals are noted and not acted upon; for work that leaves at places of its own.

    Within `leaving_on` the signals are its; else they are taken over for the time of the deferral.
    """

    def __init__(self) -> None:
        self._active = False
        self._own = False

    @property
    def signal(self) -> signal.Signals | None:
        """The signal that came."""
        return _signals.came if self._active else None

    def begin(self) -> None:
        """Begins to note. A signal that Lightning's handlers would get comes here from now on."""
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
        """Ends it; a signal that came and was not asked for is acted upon now.

        Raises:
            StoppedBySignalError: where there was one.
        """
        came = self.signal
        self.drop()
        if came is not None and not _signals.leaving:
            self.stop(f"{came.name}: stopped after training, whose state is saved")

    def drop(self) -> None:
        """Ends it where the work has failed; what is raised then is enough."""
        if not self._active:
            return
        self._active = _signals.deferred = False
        if self._own:
            _signals.give_back()
            _signals.installed = False


class _Stop(BaseException):
    """What the handler raises. No Exception: code that can bear any of these would go on."""

    def __init__(self, name: str) -> None:
        super().__init__(name)

    def __del__(self) -> None:
        # Destroyed without having arrived: somebody swallowed it.
        if not _signals.leaving:
            _signals.again()


class _Signals:
    """The signals of this process and what has become of them."""

    def __init__(self) -> None:
        self.installed = False
        self.deferred = False
        self.leaving = False
        self.came: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}
        self._repeated = False

    def install(self) -> None:
        """Takes over the signals, with nothing noted."""
        self.came, self.leaving, self._repeated = None, False, False
        self._before = {number: signal.getsignal(number) for number in leaving_signals()}
        self.installed = True
        self.take()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, leaving_signals())

    def take(self) -> None:
        """Puts the handlers in place, whoever has put his there meanwhile."""
        for number in self._before:
            signal.signal(number, self._handle)

    def give_back(self) -> None:
        """Puts the earlier handlers in place."""
        for number, handler in self._before.items():
            # None: not set from Python, so it cannot be set again.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def ignore(self) -> None:
        """Has them do nothing."""
        for number in self._before:
            signal.signal(number, signal.SIG_IGN)

    def again(self) -> None:
        """Has the handler called once more, soon, for the signal that came."""
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
        if _imports_compiled(frame):
            self.again()
            return
        raise _Stop(self.came.name)

    def _second(self, number: int) -> None:
        if number == signal.SIGINT or not under_slurm():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)


def _imports_compiled(frame: FrameType | None) -> bool:
    """Whether a compiled module is being imported; many turn what is raised meanwhile into an ImportError."""
    while frame is not None:
        if frame.f_code.co_qualname.startswith("ExtensionFileLoader."):
            return True
        frame = frame.f_back
    return False


_signals = _Signals()

"""The jobs that wait for a launcher on this machine, as other processes see them."""

import fcntl
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

PREFIX = ".waiting-"
"""In the folder of a sweep: a file for each launcher, locked for as long as it lives, a job's name in each line."""


class WaitingJobs:
    """The list of one launcher.

    Args:
        file: Its file, locked.
    """

    def __init__(self, file: IO[str]) -> None:
        self._file = file
        self._written: list[str] | None = None

    def write(self, names: Iterable[str]) -> None:
        """Replaces the list.

        Args:
            names: The jobs' folders, relative to that of the sweep.
        """
        found = list(names)
        if found == self._written:
            return
        self._file.seek(0)
        self._file.write("".join(f"{name}\n" for name in found))
        self._file.truncate()
        self._file.flush()
        self._written = found


@contextmanager
def waiting_jobs(sweep: Path) -> Iterator[WaitingJobs]:
    """The list of a launcher, there for as long as the context lasts and its process lives.

    Args:
        sweep: The folder of the sweep.
    """
    path = sweep / f"{PREFIX}{os.getpid()}"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w+", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            yield WaitingJobs(file)
        finally:
            path.unlink(missing_ok=True)


def names_waiting(sweep: Path) -> set[str]:
    """The jobs that wait for any launcher that lives."""
    found: set[str] = set()
    for path in sweep.glob(f"{PREFIX}*"):
        try:
            with path.open(encoding="utf-8") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    found.update(file.read().splitlines())
        except OSError:  # it has just ended
            continue
    return found

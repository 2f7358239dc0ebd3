"""The display of a running sweep: a live table in a terminal, otherwise a line per event."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.markup import escape

from recast.sweeps.job_folder import JobFolder, State
from recast.sweeps.overview import JobStatus, overview, score_text, status_of

ROWS = 20  # of the live table
EVERY = 1.0  # seconds between checks of the files


class Board:
    """Displays the jobs of a running sweep.

    Args:
        sweep: The folder of the sweep.
        folders: The jobs' folders, in order.
        console: Where to print; none: the terminal.
    """

    def __init__(self, sweep: Path, folders: Sequence[JobFolder], console: Console | None = None) -> None:
        self.console = console or Console()
        self._names = {folder: folder.path.relative_to(sweep).as_posix() for folder in folders}
        self._ended: dict[JobFolder, JobStatus] = {}
        self._begun: dict[JobFolder, float] = {}
        self._queued: set[JobFolder] = set()
        self._elsewhere: set[JobFolder] = set()
        self._live: Live | None = None
        self._looked = 0.0

    @contextmanager
    def shown(self) -> Iterator["Board"]:
        """Shows the board for as long as the context lasts."""
        self._live = Live(console=self.console, auto_refresh=False) if self.console.is_terminal else None
        with self._live or nullcontext():
            yield self
            self.tick(now=True)

    def tick(self, *, now: bool = False) -> None:
        """Checks the jobs, if due."""
        if self._live is not None and (now or time.monotonic() - self._looked >= EVERY):
            self._looked = time.monotonic()
            self._live.update(overview(self.statuses(), most=ROWS), refresh=True)

    def statuses(self) -> list[JobStatus]:
        """The current status of each job."""
        return [
            self._ended.get(folder) or status_of(folder, name, State.QUEUED if folder in self._queued else None)
            for folder, name in self._names.items()
        ]

    def queued(self, folder: JobFolder) -> None:
        """A job waits, in a cluster's queue or for a free core; an earlier failure is no longer shown."""
        self._queued.add(folder)

    def waits_for_another(self, folder: JobFolder) -> None:
        """Another process, from an earlier start, runs a job; reported once."""
        if folder not in self._elsewhere:
            self._elsewhere.add(folder)
            self._queued.discard(folder)
            self.say(f"{self._names[folder]}: an earlier start of the sweep runs it still; its end is waited for")

    def requeued(self, folder: JobFolder) -> None:
        """A job that was running is queued again."""
        self.queued(folder)
        self.say(f"{self._names[folder]}: requeued; it goes on from its last state")

    def started(self, folder: JobFolder) -> None:
        """A job has been started."""
        self._queued.discard(folder)
        self._ended.pop(folder, None)
        self._begun[folder] = time.monotonic()
        if self._live is None:
            self.say(f"{self._names[folder]}: started")

    def ended(self, folder: JobFolder) -> None:
        """A job has ended; failures are printed immediately, even above a live table."""
        self._queued.discard(folder)
        status = status_of(folder, self._names[folder])
        self._ended[folder] = status
        if self._live is not None and status.state is not State.FAILED:
            return
        begun = self._begun.get(folder)
        took = "" if begun is None else f" after {time.monotonic() - begun:.0f} s"
        count = f"[{len(self._ended)}/{len(self._names)}] "
        self.say(f"{count}{status.name}: {status.state.value}{took}: {status.reason or score_text(status.scores)}")

    def say(self, line: str) -> None:
        """Prints a line."""
        self.console.print(escape(line), highlight=False, soft_wrap=True)

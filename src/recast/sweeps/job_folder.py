"""The folder of one job of a sweep: its files, and the state they imply."""

import fcntl
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import yaml

from recast.errors import ConfigurationError, PrunedError
from recast.system.files import write_json, write_text

ATTEMPTS, PAUSE = 20, 0.05  # seconds between two attempts at a lock


SAYS = "recast: "
"""The beginning of recast's messages in the output of a job."""
TAIL = 65536  # bytes of the output that are searched


class JobRunningError(ConfigurationError):
    """A job cannot be started because another process runs it."""


class State(StrEnum):
    """The state of a job."""

    FINISHED = "finished"
    RUNNING = "running"
    QUEUED = "queued"
    FAILED = "failed"
    PRUNED = "pruned"
    UNFINISHED = "unfinished"
    MISSING = "missing"

    @property
    def settled(self) -> bool:
        """Whether there is nothing left to do."""
        return self in (State.FINISHED, State.PRUNED)


@dataclass(frozen=True)
class JobFolder:
    """The files of a job. All are written atomically; any may be missing.

    Args:
        path: The folder.
    """

    path: Path

    @property
    def config(self) -> Path:
        """The checked configuration, in plain containers: what the job runs."""
        return self.path / "config.yaml"

    @property
    def results(self) -> Path:
        """The results, written last."""
        return self.path / "metrics.json"

    @property
    def failure(self) -> Path:
        """Why the last attempt failed."""
        return self.path / "failure.json"

    @property
    def progress(self) -> Path:
        """The progress of the attempt."""
        return self.path / "progress.json"

    @property
    def submission(self) -> Path:
        """The cluster's job number."""
        return self.path / "submission.json"

    @property
    def output(self) -> Path:
        """The job's output, all attempts in order."""
        return self.path / "output.log"

    @property
    def state(self) -> State:
        """The state of the job according to its files, which do not show whether it is queued on a cluster."""
        if self.is_locked():
            return State.RUNNING
        if self.read_results() is not None:
            return State.FINISHED
        failure = read_json(self.failure)
        if failure is not None:
            return State.PRUNED if failure.get("exit_code") == PrunedError.exit_code else State.FAILED
        return State.UNFINISHED if self.config.exists() else State.MISSING

    def read_results(self) -> dict[str, Any] | None:
        """The results, if they are complete and hold test scores; otherwise None."""
        found = read_json(self.results)
        return found if found is not None and isinstance(found.get("test"), dict) and found["test"] else None

    def read_config(self) -> dict[str, Any] | None:
        """The configuration; None if it is missing or unreadable."""
        try:
            found = yaml.safe_load(self.config.read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError):
            return None
        return found if isinstance(found, dict) else None

    def write_config(self, config: dict[str, Any]) -> None:
        """Freezes the configuration."""
        write_text(self.config, yaml.safe_dump(config, sort_keys=False))

    def write_failure(self, message: str, exit_code: int) -> None:
        """Records why an attempt failed.

        Args:
            message: The error message; its first line is shown with the job.
            exit_code: Of the job's process; negative, the number of the signal that ended it.
        """
        first = next((line.strip() for line in message.splitlines() if line.strip()), "no reason given")
        now = datetime.now().astimezone().isoformat(timespec="seconds")
        write_json(self.failure, {"error": first, "message": message, "exit_code": exit_code, "time": now})

    def failure_reason(self) -> str | None:
        """The first line of the last attempt's failure; None if it did not fail."""
        found = read_json(self.failure)
        return None if found is None else str(found.get("error", "no reason given"))

    def last_words(self) -> str | None:
        """The last message of recast in the job's output; None if there is none."""
        try:
            with self.output.open("rb") as file:
                file.seek(max(self.output.stat().st_size - TAIL, 0))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            return None
        return next((line.removeprefix(SAYS) for line in reversed(lines) if line.startswith(SAYS)), None)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Marks the job as running for as long as this process lives, however it ends.

        Raises:
            JobRunningError: if another process runs it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with self._lock_file.open("a+") as file:
            # A check whether the job runs briefly holds the lock.
            for attempt in range(ATTEMPTS, -1, -1):
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if not attempt:
                        raise JobRunningError(f"{self.path}: another process runs this job") from None
                    time.sleep(PAUSE)
            yield

    def is_locked(self) -> bool:
        """Whether a process runs the job."""
        try:
            with self._lock_file.open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False

    @property
    def _lock_file(self) -> Path:
        return self.path / "running.lock"


def read_json(path: Path) -> dict[str, Any] | None:
    """The content of a JSON file that holds an object; None if there is no complete such file."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None

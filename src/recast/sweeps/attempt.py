"""One attempt at a job: runs the configuration in its folder, and records there how it ended."""

import contextlib
import logging
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from recast.errors import ConfigurationError, RecastError, StoppedBySignalError
from recast.sweeps.job_folder import SAYS, JobFolder, JobRunningError
from recast.sweeps.requeue import requeue
from recast.system.processes import is_told_by_the_first, rank
from recast.system.signals import stop_on_signals

UNEXPECTED = 1
MAX_REQUEUES = "RECAST_MAX_REQUEUES"
"""The variable in which the launcher passes the largest number of requeues; unset for jobs outside SLURM."""


def attempt(path: Path, show: Callable[[Any], None]) -> int:
    """Runs the job in a folder, from its last state if there is one; returns the exit code of its process.

    Args:
        path: The job's folder, with the frozen configuration in it.
        show: Called with the results.
    """
    folder = JobFolder(path)
    try:
        with stop_on_signals():
            _hold_and_run(folder, show)
    except RecastError as error:
        if is_told_by_the_first(error):
            return 0
        if isinstance(error, StoppedBySignalError):
            return _stopped(error)
        return _failed(folder, str(error), error.exit_code, noted=not isinstance(error, JobRunningError))
    except Exception as error:  # noqa: BLE001 - whatever it was, the sweep shows it with the job
        if isinstance(error, OSError) and error.errno is not None:
            return _failed(folder, str(error), UNEXPECTED)
        traceback.print_exc()
        return _failed(folder, f"{type(error).__name__}: {error}", UNEXPECTED)
    return 0


def _hold_and_run(folder: JobFolder, show: Callable[[Any], None]) -> None:
    if rank() > 0:
        # The first process locks the job for all of them.
        _run(folder)
        return
    with folder.locked():
        folder.failure.unlink(missing_ok=True)
        if folder.read_results() is None:
            show(_run(folder))


def _stopped(error: StoppedBySignalError) -> int:
    """Requeues the job if it was launched by `hydra/launcher=slurm`."""
    _say(str(error))
    most = os.environ.get(MAX_REQUEUES)
    if most is not None and (told := requeue(int(most))):
        _say(told)
    return error.exit_code


def _run(folder: JobFolder) -> Any:
    config = folder.read_config()
    if config is None:
        raise ConfigurationError(f"{folder.config}: there is no configuration to run; start the sweep again")
    _log_to(folder.path / "recast-train.log")
    # Slow to import, and not needed to report an empty folder.
    from recast.runs.configure.check import accepted
    from recast.runs.configure.training_options import TrainOptions
    from recast.runs.fit import run
    from recast.runs.trainer import quiet_lightning

    quiet_lightning()
    with accepted(config, TrainOptions):
        return run(config | {"resume": True}, folder.path)


def _log_to(path: Path) -> None:
    """Logs messages to the output, and with time and location to a file."""
    root = logging.getLogger()
    root.setLevel(logging.INFO if rank() == 0 else logging.WARNING)
    short, full = logging.StreamHandler(), logging.FileHandler(path)
    short.setFormatter(logging.Formatter("%(message)s"))
    full.setFormatter(logging.Formatter("[%(asctime)s][%(name)s][%(levelname)s] %(message)s"))
    root.handlers[:] = [short, full]


def _failed(folder: JobFolder, message: str, code: int, *, noted: bool = True) -> int:
    _say(message)
    if noted and rank() == 0:
        # A full disk may be the reason for the failure; the launcher sees the exit code and the lines above.
        with contextlib.suppress(OSError):
            folder.write_failure(message, code)
    return code


def _say(message: str) -> None:
    # The disk that holds the output may be full.
    with contextlib.suppress(OSError):
        sys.stdout.flush()
        sys.stderr.write(f"{SAYS}{message}\n")
        sys.stderr.flush()

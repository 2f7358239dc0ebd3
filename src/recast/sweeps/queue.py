"""Queries of SLURM about jobs."""

import getpass
import shutil
import subprocess
from collections.abc import Sequence

from recast.errors import ConfigurationError
from recast.sweeps.job_folder import JobFolder, read_json

ANSWER = 30  # timeout of a SLURM command, in seconds


def has_queue() -> bool:
    """Whether SLURM can be queried on this machine."""
    return shutil.which("squeue") is not None


def require_queue() -> None:
    """Raises ConfigurationError where this machine has no SLURM."""
    if not has_queue():
        raise ConfigurationError(
            "hydra/launcher=slurm: this machine has no squeue; start the sweep on a node of a SLURM cluster, or use "
            "hydra/launcher=local"
        )


def submission_of(folder: JobFolder) -> str | None:
    """The cluster's number of a job, as in "12" or, in an array, "12_3"; None if it was never submitted."""
    number = (read_json(folder.submission) or {}).get("slurm_job_id")
    return None if number is None else str(number)


def states_of(numbers: Sequence[str]) -> dict[str, str] | None:
    """The state of each of these jobs that is queued, running or ending; None if SLURM does not answer."""
    if not numbers:
        return {}
    # Querying by number a job that ended long ago would be an error.
    answer = _ask("squeue", "--noheader", "--array", "--format=%i %T", f"--user={getpass.getuser()}")
    if answer is None:
        return None
    pairs = (line.split() for line in answer.splitlines() if line.strip())
    return {pair[0]: pair[1] for pair in pairs if pair[0] in numbers}


def end_of(number: str) -> str | None:
    """How a job has ended, as in "CANCELLED by 1000" or "OUT_OF_MEMORY"; None without accounting."""
    answer = _ask("sacct", "--noheader", "--parsable2", "--allocations", "--format=State", f"--jobs={number}")
    lines = [line.strip() for line in (answer or "").splitlines() if line.strip()]
    return lines[-1] if lines else None


def _ask(*command: str) -> str | None:
    """The output of a SLURM command; None if it fails."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout

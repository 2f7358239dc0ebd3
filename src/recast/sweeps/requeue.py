"""Requeues a SLURM job that was warned and has saved its state."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping
from typing import NamedTuple

from recast.system.signals import stopping_signals

ANSWER = 30.0  # timeout of a SLURM command, in seconds
PATIENCE = 300.0  # seconds for which an unresponsive controller is retried
PAUSE = 3.0  # seconds between two attempts
NEVER = ("disabled", "denied", "invalid job id", "not requeue")
"""Messages of `scontrol requeue` for which retrying is useless."""


def requeue(max_requeues: int, *, environment: Mapping[str, str] = os.environ, patience: float = PATIENCE) -> str:
    """Requeues this process's own SLURM job, unless SLURM is already ending it.

    To be called last in a job stopped by a signal with its state saved, before it ends: SLURM considers a job that ends
    between warning and time limit failed. A job that is already ending is not requeued: after `scancel` it must stay
    cancelled, and after a preemption without a grace period SLURM requeues it itself. Only the first process of a job
    sends the request. The requeue sends the job SIGTERM, which `recast.system.signals` ignores.

    Args:
        max_requeues: How often the job may be requeued in total. [times]
        environment: The environment with SLURM's variables.
        patience: How long an unresponsive controller is retried. [s]

    Returns:
        What was done, in one line; empty for the other processes of the job, and outside of SLURM.
    """
    job = job_number(environment)
    if job is None or environment.get("SLURM_PROCID", "0") != "0":
        return ""
    before = int(environment.get("SLURM_RESTART_COUNT", "0"))
    if before >= max_requeues:
        return f"SLURM job {job} is not requeued: it has been {before} times, and max_requeues={max_requeues}"
    end = time.monotonic() + patience
    asked = False
    while True:
        trouble = _state_trouble(job)
        if trouble is None:
            trouble = _requeue_trouble(job)
            asked = True
        elif asked and trouble.final:
            # The request arrived, but its answer was lost.
            trouble = None
        if trouble is None:
            return f"SLURM job {job} is requeued, {before + 1} of at most {max_requeues} times"
        if trouble.final or time.monotonic() > end:
            return f"SLURM job {job} is not requeued: {trouble.reason}"
        time.sleep(PAUSE)


def job_number(environment: Mapping[str, str] = os.environ) -> str | None:
    """The number of this process's job, in an array as in "12_3"; None outside of SLURM."""
    array = environment.get("SLURM_ARRAY_JOB_ID")
    # The last task of an array has the number of the whole array as its own.
    return f"{array}_{environment['SLURM_ARRAY_TASK_ID']}" if array else environment.get("SLURM_JOB_ID")


class _Trouble(NamedTuple):
    """Why a job is not requeued; `final` if retrying is useless."""

    reason: str
    final: bool


def _state_trouble(job: str) -> _Trouble | None:
    code, answer = _command("squeue", "--noheader", f"--jobs={job}", "--format=%T")
    if code:
        return _trouble(answer)
    return None if answer == "RUNNING" else _Trouble(f"it is {answer or 'gone'}, not RUNNING", final=True)


def _requeue_trouble(job: str) -> _Trouble | None:
    code, answer = _command("scontrol", "requeue", job)
    return _trouble(answer) if code else None


def _trouble(answer: str) -> _Trouble:
    return _Trouble(answer, final=any(word in answer.lower() for word in NEVER))


def _command(*command: str) -> tuple[int, str]:
    """Exit code and output of a command, shielded from signals that the cluster sends to all processes of the job."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, stopping_signals())
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return 1, f"{command[0]} did not answer within {ANSWER:g} s"
    except OSError as error:
        return 1, str(error)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
    return done.returncode, " ".join((done.stdout if not done.returncode else done.stderr or done.stdout).split())

"""Sweeps as a user starts them, and the processes of their jobs."""

import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from commands import QUICK, Done, Running, start

PATIENCE = 280  # seconds; a few suffice on a machine that has nothing else to do
# Two hundred steps, a state every 4 of them.
LONG = (*QUICK, "data.source.rows=1600", "trainer.max_epochs=6", "callbacks.last_checkpoint.every_n_steps=4")


_begun: list[Running] = []
_caught: list[int] = []


@pytest.fixture
def nothing_left() -> Iterator[None]:
    """Ends what a failed test has left: a sweep in work, a job in the midst."""
    yield
    for running in _begun:
        if running.process.is_alive():
            running.process.kill()
    for process in _caught:
        with contextlib.suppress(OSError):
            if Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "T":
                os.kill(process, signal.SIGKILL)
    _begun.clear()
    _caught.clear()


def begin(*options: object, cwd: Path, quick: Sequence[str] = QUICK) -> Running:
    """Starts a sweep in the folder `cwd / "sweep"`."""
    _begun.append(start("recast-train", "-m", *quick, "hydra.sweep.dir=sweep", *options, cwd=cwd))
    return _begun[-1]


def sweep(*options: object, cwd: Path, quick: Sequence[str] = QUICK) -> Done:
    """Runs a sweep to its end."""
    return begin(*options, cwd=cwd, quick=quick).wait(PATIENCE)


def process_of(job: Path) -> int | None:
    """The process that holds a job's lock, as the kernel says."""
    try:
        inode = (job / "running.lock").stat().st_ino
    except FileNotFoundError:
        return None
    for line in Path("/proc/locks").read_text().splitlines():
        _, kind, _, access, process, file, *_ = line.replace("->", "").split()
        if (kind, access) == ("FLOCK", "WRITE") and file.endswith(f":{inode}"):
            return int(process)
    return None


def job_processes(folder: Path) -> dict[str, int]:
    """The process of each job of a sweep that runs."""
    found = {lock.parent.name: process_of(lock.parent) for lock in folder.glob("*/running.lock")}
    return {name: process for name, process in found.items() if process is not None}


def caught(running: Running, job: Path, when: Callable[[], object] = lambda: True) -> int:
    """Stops a job's process in mid-work (SIGSTOP) as soon as `when()`; its number."""
    running.wait_for(lambda: process_of(job) is not None and when(), seconds=PATIENCE)
    process = process_of(job)
    assert process is not None, running.output()
    os.kill(process, signal.SIGSTOP)
    _caught.append(process)
    return process


def states(folder: Path) -> list[Path]:
    """The last states of the jobs of a sweep."""
    return sorted(folder.glob("*/checkpoints/last.ckpt"))

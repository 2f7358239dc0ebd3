"""One job on a real SLURM of one node: each signal that a cluster may warn with, and each reason not to be requeued."""

import contextlib
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest
from commands import QUICK, assert_same_weights, metrics_of, shared_run
from slurm_node import SlurmNode

from recast.runs.configure import folders
from recast.runs.configure.compose import compose
from recast.sweeps.job_folder import JobFolder, read_json

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

RUN = (
    *QUICK,
    "data.source.rows=1600",
    "model/cell=gru",
    "model/schedule=linear",
    "learning_rate=one_cycle",
    "trainer.max_epochs=60",
    "callbacks.last_checkpoint.every_n_steps=20",
    "callbacks.progress_file.every_seconds=0.1",
)
PATIENCE = 200  # seconds; a few suffice on a machine that has nothing else to do


class Job:
    """A job of recast in SLURM's hands, as the launcher submits it."""

    def __init__(self, node: SlurmNode, path: Path, *, max_requeues: int = 20) -> None:
        self.node = node
        self.folder = JobFolder(path)
        path.mkdir()
        folders.register()
        self.folder.write_config(compose("train", RUN))
        variables = f"ALL,RECAST_MAX_REQUEUES={max_requeues},OMP_NUM_THREADS=1"
        self.number = node.submit(
            f"exec srun {sys.executable} -m recast.cli.job {path}", "--requeue", f"--export={variables}", "-p", "low"
        )

    @property
    def output(self) -> str:
        return self.node.output(self.number)

    @property
    def step(self) -> int:
        return (read_json(self.folder.progress) or {}).get("step", 0)

    def in_training(self) -> None:
        """Waits until the job has trained further than it had."""
        before = self.step
        self.node.wait_for(lambda: self.step > before, PATIENCE, f"steps after {before}\n{self.output}")

    def says(self, words: str, times: int = 1) -> None:
        self.node.wait_for(lambda: self.output.count(words) >= times, PATIENCE, f"{words!r} in\n{self.output}")

    def ended(self, *runs: str) -> None:
        """Waits until the last of its runs has ended, and asserts how all of them did."""
        self.node.wait_for_state(self.number, runs[-1], PATIENCE)
        assert self.node.sacct(self.number) == list(runs)

    def kill(self, number: int) -> None:
        """The signal to its process, not by SLURM."""
        wanted = ["-m", "recast.cli.job", str(self.folder.path)]
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (process / "cmdline").read_text().split("\0")[1:-1] == wanted:
                    os.kill(int(process.name), number)


@pytest.fixture
def node(slurm_node) -> SlurmNode:
    slurm_node.cancel_all()
    return slurm_node


def test_each_signal_is_answered_and_a_lost_controller_waited_for(node, tmp_path):
    job = Job(node, tmp_path / "job")
    for times, name in enumerate(("USR1", "USR2", "TERM"), 1):
        job.in_training()
        node.scancel(job.number, f"--signal={name}")
        job.says(f"is requeued, {times} of at most 20 times")
        assert re.search(rf"recast: SIG{name} (at|in the validation after) step \d+: ", job.output), job.output
    job.in_training()
    node.stop_controller()
    try:
        job.kill(signal.SIGUSR2)
        time.sleep(5)
        job.kill(signal.SIGTERM)
        time.sleep(5)
    finally:
        node.start_controller()
    job.says("is requeued, 4 of at most 20 times")
    job.ended(*["REQUEUED"] * 4, "COMPLETED")
    assert job.output.count("resuming from ") == 4
    alone = shared_run(*RUN)
    assert metrics_of(job.folder.path) == metrics_of(alone)
    for name in ("best.ckpt", "last.ckpt"):
        assert_same_weights(job.folder.path / "checkpoints" / name, alone / "checkpoints" / name)


def test_a_cancelled_job_saves_and_stays_cancelled(node, tmp_path):
    job = Job(node, tmp_path / "job")
    job.in_training()
    node.scancel(job.number)
    job.says(f"SLURM job {job.number} is not requeued: it is COMPLETING, not RUNNING")
    job.ended("CANCELLED")
    assert "the state is saved" in job.output


def test_a_job_is_not_requeued_for_ever(node, tmp_path):
    job = Job(node, tmp_path / "job", max_requeues=1)
    job.in_training()
    node.scancel(job.number, "--signal=USR2")
    job.says("is requeued, 1 of at most 1 times")
    job.in_training()
    node.scancel(job.number, "--signal=USR2")
    job.says("is not requeued: it has been 1 times, and max_requeues=1")
    job.ended("REQUEUED", "FAILED")

"""A real SLURM of one node for the tests: `slurm_node` brings it up once in a test run and takes it down at the end.

The node has two processors and two partitions: `low`, whose jobs are preempted and requeued, and `high`. It starts in
three to eight seconds. Where it cannot be had, the tests that ask for it skip, naming the Debian packages.

    @pytest.mark.slow
    def test_something(slurm_node):
        job = slurm_node.submit("srun hostname", "--ntasks=2")
        slurm_node.wait_for_state(job, "COMPLETED")
"""

import contextlib
import os
import random
import shlex
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/slurm_node.sh"
DAEMONS = ("slurmd", "slurmctld", "slurmdbd", "mariadbd", "munged")
PORTS = 3

T = TypeVar("T")


class SlurmNode:
    """The node in `root`; `options` are the `SLURM_DEV_...` variables that `scripts/slurm_node.sh` describes."""

    def __init__(self, root: Path, **options: object) -> None:
        self.root = root
        self.conf = root / "slurm.conf"
        self.options = {name: str(value) for name, value in options.items()}

    @property
    def environment(self) -> dict[str, str]:
        """What a program needs to find this node; pytest's own environment has it while `slurm_node` is up."""
        # What an outer SLURM job has set (SLURM_JOB_ID ...) would send our commands elsewhere.
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))}
        return ours | self.options | {"SLURM_CONF": str(self.conf)}

    # ---- the node ----

    def up(self, **options: object) -> None:
        """Start what does not run; `options` change those of before (preemption and waits: also of a running node)."""
        self.options |= {name: str(value) for name, value in options.items()}
        answer = self._script("up")
        if answer.returncode == 2:
            pytest.skip(answer.stderr.strip())
        assert answer.returncode == 0, answer.stderr

    def down(self) -> None:
        answer = self._script("down")
        assert answer.returncode == 0, answer.stderr

    def stop_controller(self) -> None:
        """Jobs run on; squeue and sbatch fail until `start_controller`."""
        pid = self.daemons()["slurmctld"]
        os.kill(pid, signal.SIGTERM)
        self.wait_for(lambda: "slurmctld" not in self.daemons(), 20, "the controller's end")

    def start_controller(self) -> None:
        self.up()

    def restart_controller(self) -> None:
        self.stop_controller()
        self.start_controller()

    def daemons(self) -> dict[str, int]:
        """Process ids of the daemons that run, by name."""
        rows = [line.split() for line in self._script("status").stdout.splitlines()]
        return {row[0]: int(row[1]) for row in rows if row and row[0] in DAEMONS and row[1].isdigit()}

    def log_tail(self, lines: int = 20) -> str:
        """The ends of the controller's and the node's log."""
        logs = [self.root / "log" / f"{name}.log" for name in ("slurmctld", "slurmd")]
        return "\n".join(
            f"== {log.name}\n" + "\n".join(log.read_text().splitlines()[-lines:]) for log in logs if log.exists()
        )

    # ---- jobs ----

    def submit(self, script: str, *options: str) -> str:
        """Submit shell commands (or a whole script, from `#!` on) with options of sbatch; the job's id.

        The job starts in the node's own folder and appends to `job-ID.out` there, unless the options say otherwise.
        """
        text = script if script.startswith("#!") else f"#!/bin/bash\n{script}\n"
        defaults = (f"--chdir={self.root}", "--output=job-%j.out", "--open-mode=append")
        return self.run("sbatch", "--parsable", *defaults, *options, stdin=text).strip()

    def output(self, job: str) -> str:
        file = self.root / f"job-{job}.out"
        return file.read_text() if file.exists() else ""

    def squeue(self, *options: str) -> dict[str, str]:
        """State of every job in the queue, by id (`12`, `12_3` in an array)."""
        rows = self.run("squeue", "--noheader", "--array", "--states=PD,R,S,CG,CF", "--format=%i %T", *options)
        return dict(line.split() for line in rows.splitlines())

    def sacct(self, job: str) -> list[str]:
        """States of all runs of a job, oldest first, e.g. `["PREEMPTED", "COMPLETED"]`; the current run included."""
        options = ("--duplicates", "--allocations", "--noheader", "--parsable2", "--format=State", f"--jobs={job}")
        # "CANCELLED by 0"
        return [line.split()[0] for line in self.run("sacct", *options).splitlines()]

    def scancel(self, job: str, *options: str) -> None:
        self.run("scancel", *options, job)

    def cancel_all(self) -> None:
        """Cancel every job and wait until none is left."""
        for job in self.squeue():
            self.scancel(job)
        self.wait_for(lambda: not self.squeue(), 60, "an empty queue")

    def run(self, *command: str, stdin: str | None = None) -> str:
        """What a command of SLURM prints; a failure shows what it says."""
        # ruff's S603: the tests' own commands.
        answer = subprocess.run(
            command, env=self.environment, input=stdin, capture_output=True, text=True, timeout=60, check=False
        )
        assert answer.returncode == 0, f"{shlex.join(command)}: {answer.stderr}"
        return answer.stdout

    # ---- waiting ----

    def wait_for(self, condition: Callable[[], T], seconds: float, what: str = "") -> T:
        """The condition's first true value; fails with the ends of the logs if there is none in time."""
        end = time.monotonic() + seconds
        while not (value := condition()):
            if time.monotonic() > end:
                pytest.fail(f"Waited {seconds} s for {what or condition}.\n{self.log_tail()}")
            time.sleep(0.2)
        return value

    def wait_for_state(self, job: str, state: str, seconds: float = 60) -> None:
        """Wait until the queue, or for a job that has ended the accounting, says `state`."""

        def now() -> str:
            return self.squeue().get(job) or (self.sacct(job) or ["unknown"])[-1]

        self.wait_for(lambda: now() == state, seconds, f"job {job} to be {state}; it is {now()}")

    def _script(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", str(SCRIPT), command, str(self.root)],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=150,
            check=False,
        )


def free_ports() -> int:
    """First of three free neighbouring ports, below those that the kernel hands out."""
    while True:
        first = random.randrange(20000, 32000, PORTS)
        with contextlib.ExitStack() as sockets, contextlib.suppress(OSError):
            for port in range(first, first + PORTS):
                sockets.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first


@contextlib.contextmanager
def running_node(**options: object) -> Iterator[SlurmNode]:
    """A node of its own, taken down whatever happens."""
    # Not pytest's folder for temporary files: its path may be too long for sockets, and closed to other accounts.
    root = Path(tempfile.mkdtemp(prefix="slurm-"))
    node = SlurmNode(root, **({"SLURM_DEV_PORT": free_ports(), "SLURM_DEV_CPUS": 2} | options))
    try:
        node.up()
        yield node
    finally:
        node.down()
        shutil.rmtree(root)


@pytest.fixture(scope="session")
def slurm_node() -> Iterator[SlurmNode]:
    """The node that all tests share; what they leave in its queue, the next one meets."""
    with running_node() as node, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SLURM_CONF", str(node.conf))
        yield node

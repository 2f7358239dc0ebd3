"""Jobs on a SLURM cluster."""

import os
import shlex
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from recast.errors import ConfigurationError
from recast.options import NonNegativeInt, PositiveFloat, PositiveInt, checked
from recast.sweeps.attempt import MAX_REQUEUES
from recast.sweeps.board import Board
from recast.sweeps.job_folder import JobFolder
from recast.sweeps.launcher import JobLauncher
from recast.sweeps.queue import end_of, require_queue, states_of, submission_of
from recast.sweeps.slots import processes
from recast.system.files import write_json

LOOKS = 2  # a job is gone when this many consecutive queue listings lack it
TICK = 0.5  # seconds between display updates
# Signals that come before the job can handle them stay blocked until it can: the mask persists across `exec`.
HOLD = (
    "import os, signal, sys; "
    "signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM)); "
    "os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
)


class SlurmJobs(JobLauncher):
    """Submits jobs as an array through submitit, and monitors them until they end.

    A job warned of its time limit or of preemption saves its state, is requeued, and resumes. Jobs belong to the
    cluster, not to this process: if it is killed they continue, and the same command finds those still queued or
    running and submits the others.

    Args:
        partition: Partition; none: the cluster's default.
        account: Account that is charged; none: the default.
        qos: Quality of service; none: the default.
        constraint: Features that nodes must have; none: any node.
        timeout_min: Time limit of a job; training may take longer, since the job is requeued and resumes. [minutes]
        cpus_per_task: Cores of each process. [cores]
        mem_gb: Memory of each node; none: the cluster's default. [GB]
        gpus_per_node: GPUs of each node. [GPUs]
        nodes: Nodes of a job. [nodes]
        tasks_per_node: Processes of a job on each node; `trainer.devices` must be the same. [processes]
        array_parallelism: Largest number of jobs running at once. [jobs]
        signal: The warning signal requested from the cluster; all supported ones, and TERM, are handled in any case.
        signal_delay_s: How long before the time limit it warns. [s]
        max_requeues: Largest number of requeues of a job. [times]
        setup: Lines of the batch script before the job starts.
        additional_parameters: Other options of sbatch by name, without dashes in front.
        poll_s: Time between queries of the queue. [s]
    """

    @checked
    def __init__(
        self,
        *,
        partition: str | None = None,
        account: str | None = None,
        qos: str | None = None,
        constraint: str | None = None,
        timeout_min: PositiveInt = 60,
        cpus_per_task: PositiveInt = 1,
        mem_gb: PositiveFloat | None = None,
        gpus_per_node: NonNegativeInt = 0,
        nodes: PositiveInt = 1,
        tasks_per_node: PositiveInt = 1,
        array_parallelism: PositiveInt = 256,
        signal: Literal["USR1", "USR2", "TERM"] = "USR2",
        signal_delay_s: PositiveInt = 120,
        max_requeues: NonNegativeInt = 100,
        setup: list[str] | None = None,
        additional_parameters: dict[str, str | int | float | bool] | None = None,
        poll_s: PositiveFloat = 10.0,
    ) -> None:
        super().__init__()
        self.tasks = {"nodes": nodes, "tasks_per_node": tasks_per_node}
        self.max_requeues = max_requeues
        self.poll_s = poll_s
        self.parameters: dict[str, Any] = {
            "name": "recast",
            "slurm_partition": partition,
            "slurm_account": account,
            "slurm_qos": qos,
            "slurm_constraint": constraint,
            "timeout_min": timeout_min,
            "cpus_per_task": cpus_per_task,
            "mem_gb": mem_gb,
            "gpus_per_node": gpus_per_node or None,
            "slurm_array_parallelism": array_parallelism,
            "slurm_setup": setup,
            "slurm_additional_parameters": {
                "signal": f"{signal}@{signal_delay_s}",
                "requeue": True,
                **(additional_parameters or {}),
            },
            **self.tasks,
        }

    def check(self, config: Mapping[str, Any]) -> None:
        """Raises ConfigurationError for a job whose trainer needs other processes than those allocated."""
        wanted = (processes(config), config["trainer"].get("num_nodes", 1))
        if wanted != (self.tasks["tasks_per_node"], self.tasks["nodes"]):
            raise ConfigurationError(
                f"trainer.devices={wanted[0]} on trainer.num_nodes={wanted[1]}, but hydra.launcher.tasks_per_node="
                f"{self.tasks['tasks_per_node']} on hydra.launcher.nodes={self.tasks['nodes']}: they must be the same"
            )

    def run(self, sweep: Path, jobs: Mapping[JobFolder, dict[str, Any]]) -> None:
        """Submits jobs that are not in the queue, and monitors all until they end; an interrupt leaves them queued."""
        require_queue()
        submitted = {folder: number for folder in jobs if (number := submission_of(folder)) is not None}
        queued = states_of(list(submitted.values()))
        if queued is None:
            raise ConfigurationError("SLURM does not answer (squeue); which jobs are queued already cannot be told")
        known = {folder: number for folder, number in submitted.items() if number in queued}
        others = [folder for folder in jobs if folder not in known and folder.is_locked()]
        new = [folder for folder in jobs if folder not in known and folder not in others]
        with Board(sweep, list(jobs)).shown() as board:
            if known:
                board.say(f"{len(known)} jobs are queued or running already")
            for folder in others:
                board.waits_for_another(folder)
            for folder in (*known, *new):
                board.queued(folder)
            known |= self._submit(sweep, new, jobs)
            if new:
                board.say(f"{len(new)} jobs submitted; they go on without this process: recast-status {sweep}")
            self._watch(known, others, board)

    def _submit(
        self, sweep: Path, folders: Sequence[JobFolder], jobs: Mapping[JobFolder, dict[str, Any]]
    ) -> dict[JobFolder, str]:
        """Submits jobs as one array; returns the cluster's job numbers."""
        if not folders:
            return {}
        from submitit import AutoExecutor
        from submitit.core.utils import FailedJobError

        try:
            python = shlex.join([sys.executable, "-I", "-S", "-c", HOLD])
            executor = AutoExecutor(folder=sweep / ".submitit", cluster="slurm", slurm_python=python)
        except RuntimeError as error:
            raise ConfigurationError(f"hydra/launcher=slurm: {error}") from error
        executor.update_parameters(**{name: value for name, value in self.parameters.items() if value is not None})
        try:
            with executor.batch():
                submitted = [
                    executor.submit(become_job, str(folder.path), self.max_requeues, jobs[folder]["threads"])
                    for folder in folders
                ]
        except FailedJobError as error:
            raise ConfigurationError(f"hydra/launcher=slurm: no job is submitted; {str(error).strip()}") from error
        numbers = {folder: str(job.job_id) for folder, job in zip(folders, submitted, strict=True)}
        for folder, number in numbers.items():
            folder.failure.unlink(missing_ok=True)
            write_json(folder.submission, {"slurm_job_id": number})
        return numbers

    def _watch(self, known: Mapping[JobFolder, str], others: list[JobFolder], board: Board) -> None:
        """Monitors queued jobs by number, and those run by other processes, until they end."""
        left = dict(known)
        unseen = dict.fromkeys(left, 0)
        told: dict[JobFolder, str] = {}
        looked = float("-inf")
        answers = True
        while left or others:
            for folder in [folder for folder in others if not folder.is_locked()]:
                others.remove(folder)
                board.ended(folder)
            if time.monotonic() - looked >= self.poll_s:
                looked = time.monotonic()
                states = states_of(list(left.values()))
                if states is None:
                    if answers:
                        board.say("SLURM does not answer; the jobs in it go on, and so does this watch")
                    answers = False
                    continue
                answers = True
                for folder, number in list(left.items()):
                    unseen[folder] = 0 if number in states else unseen[folder] + 1
                    _tell(folder, states.get(number, ""), told, board)
                    if unseen[folder] >= LOOKS:
                        del left[folder]
                        _ended(folder, number, board)
            board.tick()
            time.sleep(TICK)


def become_job(folder: str, max_requeues: int, threads: int) -> None:
    """Replaces the process started by submitit with that of the job, which then handles the cluster's signals."""
    written = os.open(Path(folder) / "output.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for number in (1, 2):
        os.dup2(written, number)
    os.environ[MAX_REQUEUES] = str(max_requeues)
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)
    # The job no longer belongs to submitit; signals ignored by it would stay ignored.
    for received in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGTERM):
        signal.signal(received, signal.SIG_DFL)
    os.execv(sys.executable, [sys.executable, "-m", "recast.cli.job", folder])  # noqa: S606 our own command


def _tell(folder: JobFolder, state: str, told: dict[JobFolder, str], board: Board) -> None:
    """Shows that a job has started running or has been queued."""
    if state not in ("RUNNING", "PENDING") or told.get(folder) == state:
        return
    if state == "RUNNING":
        board.started(folder)
    elif folder in told:
        board.requeued(folder)
    told[folder] = state


def _ended(folder: JobFolder, number: str, board: Board) -> None:
    if folder.state.settled:
        board.ended(folder)
        return
    if not folder.failure.exists():
        end = end_of(number)
        words = folder.last_words()
        told = (
            f"SLURM job {number} has ended{f' as {end}' if end else ''} without results{f': {words}' if words else ''}"
        )
        folder.write_failure(f"{told}; see {folder.output}", 1)
    board.ended(folder)

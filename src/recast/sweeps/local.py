"""Parallel jobs on this machine."""

import os
import signal
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, NamedTuple

from annotated_types import Ge

from recast.errors import StoppedBySignalError
from recast.options import PositiveInt, checked
from recast.sweeps.board import Board
from recast.sweeps.job_folder import JobFolder
from recast.sweeps.launcher import JobLauncher
from recast.sweeps.slots import Share, Slots, usable_cores, visible_gpus
from recast.sweeps.waiting import waiting_jobs
from recast.sweeps.worker import start

TICK = 0.5  # seconds between checks of jobs run by others, and display updates


class _Work(NamedTuple):
    folder: JobFolder
    process: BaseProcess
    share: Share


class LocalJobs(JobLauncher):
    """Runs jobs in parallel, each in its own process.

    As many run at once as fit on the cores, each job using `threads` x `trainer.devices` of them, and with GPUs as many
    as fit on these. A job killed by a signal that did not come through the launcher (kill -9, out of memory) is
    restarted from its last state.

    Args:
        processes: Largest number of parallel jobs; none: as many as fit on cores and GPUs. [jobs]
        jobs_per_gpu: Jobs that share one GPU. [jobs]
        restarts: How often a killed job is restarted. [times]
    """

    @checked
    def __init__(
        self,
        *,
        processes: PositiveInt | None = None,
        jobs_per_gpu: PositiveInt = 1,
        restarts: Annotated[int, Ge(0)] = 2,
    ) -> None:
        super().__init__()
        self.processes = processes
        self.jobs_per_gpu = jobs_per_gpu
        self.restarts = restarts

    def run(self, sweep: Path, jobs: Mapping[JobFolder, dict[str, Any]]) -> None:
        """Runs jobs to completion; on SIGINT and SIGTERM they save their state, and the sweep stops."""
        slots = Slots(usable_cores(), visible_gpus() * self.jobs_per_gpu)
        waiting = deque(jobs)
        restarts = dict.fromkeys(jobs, self.restarts)
        work: list[_Work] = []
        # The fork server reads it when it imports torch.
        os.environ.setdefault("OMP_NUM_THREADS", str(max(config["threads"] for config in jobs.values())))
        stop = _Stop(work)
        with stop, waiting_jobs(sweep) as listed, Board(sweep, list(jobs)).shown() as board:
            for folder in jobs:
                board.queued(folder)
            while work or (waiting and not stop.number):
                if not stop.number:
                    self._start(waiting, work, jobs, slots, board=board, stop=stop)
                    # A job may have been starting when the signal came.
                    stop.pass_on()
                listed.write(folder.path.relative_to(sweep).as_posix() for folder in waiting)
                wait([job.process.sentinel for job in work], timeout=TICK)
                for job in [job for job in work if not job.process.is_alive()]:
                    work.remove(job)
                    slots.give_back(job.share)
                    self._ended(job, waiting, restarts, board, stopped=bool(stop.number))
                board.tick()
        if stop.number:
            raise StoppedBySignalError(
                f"{signal.Signals(stop.number).name}: the states of the jobs are saved; the same command with "
                f"hydra.sweep.dir={sweep} goes on"
            )

    def _start(
        self,
        waiting: deque[JobFolder],
        work: list[_Work],
        jobs: Mapping[JobFolder, dict[str, Any]],
        slots: Slots,
        *,
        board: Board,
        stop: "_Stop",
    ) -> None:
        """Starts as many jobs as the free cores hold, in order; jobs run by other processes are awaited last."""
        for _ in range(len(waiting)):
            if stop.number:
                return
            if self.processes is not None and len(work) >= self.processes:
                return
            folder = waiting.popleft()
            if folder.is_locked():
                board.waits_for_another(folder)
                waiting.append(folder)
                continue
            if folder.state.settled:
                board.ended(folder)
                continue
            share = slots.take(jobs[folder])
            if share is None:
                waiting.appendleft(folder)
                return
            folder.failure.unlink(missing_ok=True)
            process = start(folder.path, folder.output, share.environment(jobs[folder]["threads"]))
            work.append(_Work(folder, process, share))
            board.started(folder)

    def _ended(
        self, job: _Work, waiting: deque[JobFolder], restarts: dict[JobFolder, int], board: Board, *, stopped: bool
    ) -> None:
        code = job.process.exitcode or 0
        folder = job.folder
        if folder.state.settled:
            board.ended(folder)
            return
        if stopped:
            return
        if code < 0 and restarts[folder]:
            restarts[folder] -= 1
            waiting.appendleft(folder)
            board.say(f"{folder.path.name}: ended by {_signal_name(-code)}; it goes on from its last state")
            return
        if not folder.failure.exists():
            try:
                folder.write_failure(_silent_end(code, folder), code)
            except OSError as error:
                # Most likely also the reason why the job ended.
                board.say(f"{folder.path.name}: {_silent_end(code, folder)}; {error}")
        board.ended(folder)


def _signal_name(number: int) -> str:
    name = signal.Signals(number).name
    return f"{name} (no memory left?)" if number == signal.SIGKILL else name


def _silent_end(code: int, folder: JobFolder) -> str:
    if code == StoppedBySignalError.exit_code:
        return f"stopped by a signal to this job alone, with its state saved; see {folder.output}"
    how = f"ended by {_signal_name(-code)}" if code < 0 else f"ended with exit code {code} and without results"
    return f"{how}; see {folder.output}"


class _Stop:
    """Forwards SIGINT and SIGTERM to the running jobs; `number` is the first one received."""

    def __init__(self, work: list[_Work]) -> None:
        self.number = 0
        self._work = work
        self._told: set[int] = set()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> None:
        self._before = {number: signal.signal(number, self._come) for number in (signal.SIGINT, signal.SIGTERM)}

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def pass_on(self) -> None:
        """Stops the jobs that have not been told to since the last signal; nothing before a signal."""
        for job in list(self._work) if self.number else ():
            pid = job.process.pid
            if pid is not None and pid not in self._told and job.process.is_alive():
                self._told.add(pid)
                _signal_group(pid)

    def _come(self, number: int, frame: FrameType | None) -> None:
        self.number = self.number or number
        # A second signal ends a job at once.
        self._told.clear()
        self.pass_on()


def _signal_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGTERM)
    except ProcessLookupError:
        # It has just ended, or does not have its own process group yet.
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)

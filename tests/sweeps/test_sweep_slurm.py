"""Sweeps on a real SLURM of one node: what a cluster does to jobs, and that no result differs for it.

Where a job must not end too early, the test stops it in mid-training (SIGSTOP), and the cluster's own signal wakes it:
SLURM sends SIGCONT with each. So nothing here depends on how fast the machine is.
"""

import contextlib
import functools
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from commands import QUICK, Done, Running, assert_same_weights, metrics_of, run, scratch, shell, start
from slurm_node import SlurmNode

from recast.sweeps.job_folder import JobFolder, State, read_json
from recast.sweeps.queue import submission_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# Six hundred steps, so that there is a middle; its progress can be read several times a second.
LONG = (
    *QUICK,
    "data.batch_size=4",
    "trainer.max_epochs=10",
    "callbacks.last_checkpoint.every_n_steps=30",
    "callbacks.progress_file.every_seconds=0.1",
)
PATIENCE = 400  # seconds; a few suffice on a machine that has nothing else to do


def processes(*arguments: str) -> list[int]:
    """The live processes of Python with these arguments."""
    wanted = [argument.encode() for argument in arguments]
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cmdline").read_bytes().split(b"\0")[1:-1] == wanted:
                found.append(int(process.name))
    return found


@functools.cache
def undisturbed(*options: str) -> Path:
    """The folder of a run of these options by itself."""
    cwd = Path(tempfile.mkdtemp(dir=scratch(), prefix="run-"))
    # Lightning starts further processes by the command that the first one was.
    together = "trainer=ddp" in options
    done = (
        shell("recast-train", *options, cwd=cwd, limit=PATIENCE)
        if together
        else start("recast-train", *options, cwd=cwd).wait(PATIENCE)
    )
    assert done.code == 0, done
    return cwd / done.last_line


class Job:
    """A job of a sweep on the node."""

    def __init__(self, node: SlurmNode, path: Path) -> None:
        self.node = node
        self.folder = JobFolder(path)

    @property
    def number(self) -> str:
        return submission_of(self.folder) or ""

    @property
    def step(self) -> int:
        return (read_json(self.folder.progress) or {}).get("step", 0)

    @property
    def runs(self) -> list[str]:
        """How each of its runs ended, by SLURM's account."""
        return self.node.sacct(self.number)

    @property
    def output(self) -> str:
        return self.folder.output.read_text() if self.folder.output.exists() else ""

    @property
    def stops(self) -> int:
        """How often it has said that a signal stopped it."""
        return len(re.findall(r"SIG(?:TERM|USR1|USR2) .*the state is saved", self.output))

    def processes(self) -> list[int]:
        """Its processes on the node that live."""
        return processes("-m", "recast.cli.job", str(self.folder.path))

    def signal(self, number: int) -> None:
        for process in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    @property
    def is_stopped(self) -> bool:
        states = []
        for process in self.processes():
            with contextlib.suppress(OSError):
                states.append(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0])
        return "T" in states

    def assert_as_if_alone(self, *options: str) -> None:
        """Bit for bit the results of a run of these options that nothing has disturbed."""
        path, alone = self.folder.path, undisturbed(*options)
        assert metrics_of(path) == metrics_of(alone)
        assert (path / "per_origin.csv").read_text() == (alone / "per_origin.csv").read_text()
        for name in ("best.ckpt", "last.ckpt"):
            assert_same_weights(path / "checkpoints" / name, alone / "checkpoints" / name)


class Sweep:
    """A sweep on the node, by the command as a user gives it; each start is the same command."""

    def __init__(self, node: SlurmNode, cwd: Path, options: Sequence[str]) -> None:
        self.node = node
        self.folder = cwd / "sweep"
        self.options = options
        self.begun: list[Running] = []

    def start(self) -> Running:
        # The low partition is the node's default.
        launcher = ("hydra/launcher=slurm", "hydra.launcher.poll_s=1")
        place = f"hydra.sweep.dir={self.folder.name}"
        self.begun.append(
            start(
                "recast-train",
                "-m",
                *launcher,
                place,
                *self.options,
                cwd=self.folder.parent,
                SLURM_CONF=str(self.node.conf),
            )
        )
        return self.begun[-1]

    def run(self) -> Done:
        return self.start().wait(PATIENCE)

    def job(self, name: str) -> Job:
        return Job(self.node, self.folder / name)

    def status(self) -> str:
        done = run("recast-status", self.folder, cwd=self.folder.parent, SLURM_CONF=str(self.node.conf), COLUMNS="200")
        assert done.code == 0, done
        return done.out


@pytest.fixture
def sweep_of(slurm_node, tmp_path) -> Iterator[Callable[..., Sweep]]:
    """Makes sweeps; leaves neither commands nor jobs behind."""
    made: list[Sweep] = []

    def make(*options: str) -> Sweep:
        made.append(Sweep(slurm_node, tmp_path, options))
        return made[-1]

    yield make
    for sweep in made:
        for begun in sweep.begun:
            begun.process.kill()
    slurm_node.start_controller()
    slurm_node.cancel_all()


def all_reach(jobs: Sequence[Job], then: Callable[[Job], object], steps: int = 60) -> None:
    """Does something with each job once it has come so many steps further than it is."""
    left = {job: job.step + steps for job in jobs}

    def none_is_left() -> bool:
        for job in [job for job, step in left.items() if job.step >= step and job.processes()]:
            then(job)
            del left[job]
        return not left

    jobs[0].node.wait_for(none_is_left, PATIENCE, f"jobs to take {steps} steps: {[job.step for job in jobs]}")
    assert all(job.folder.state is not State.FINISHED for job in jobs)


def pause(job: Job) -> None:
    job.signal(signal.SIGSTOP)


def go_on(job: Job) -> None:
    job.signal(signal.SIGCONT)


def wait_for_end(jobs: Sequence[Job]) -> None:
    """Waits until no process of the jobs is left."""
    jobs[0].node.wait_for(lambda: not any(job.processes() for job in jobs), PATIENCE, "the processes' ends")


def every_job(node: SlurmNode) -> set[str]:
    """The numbers of all jobs that the node has ever had."""
    return set(node.squeue("--states=all"))


def test_an_array_of_six_jobs(sweep_of):
    sweep = sweep_of(*QUICK, "model/cell=rnn,gru,lstm", "seed=0,1")
    done = sweep.run()
    assert done.code == 0, done
    jobs = {
        (f"model/cell={cell}", f"seed={seed}"): sweep.job(f"cell-{cell}_seed-{seed}")
        for cell in ("rnn", "gru", "lstm")
        for seed in range(2)
    }
    for options, job in jobs.items():
        job.assert_as_if_alone(*QUICK, *options)
        assert job.runs == ["COMPLETED"]
    assert len({job.number.partition("_")[0] for job in jobs.values()}) == 1
    assert "6 finished" in sweep.status()

    before = every_job(sweep.node)
    again = sweep.run()
    assert again.code == 0, again
    assert "6 jobs, 6 of them done already" in again.out
    assert every_job(sweep.node) == before


def test_a_job_that_fails_and_one_that_is_cancelled_leave_the_others_alone(sweep_of):
    sweep = sweep_of(*LONG, "optimizer.lr=1e30,0.001,0.002,0.003")
    node, failing, long = sweep.node, sweep.job("lr-1e+30"), sweep.job("lr-0.001")
    cancelled, last = sweep.job("lr-0.002"), sweep.job("lr-0.003")
    running = sweep.start()
    all_reach([long, cancelled], lambda job: node.scancel(job.number) if job is cancelled else pause(job))
    # Told as it happens, while another job runs.
    node.wait_for(lambda: "lr-0.002: failed" in running.output(), PATIENCE, "the sweep to tell of the cancelled job")
    told = next(line for line in running.output().splitlines() if "lr-1e+30: failed" in line)
    assert "the training loss is inf at step 1" in told
    status = sweep.status()
    assert "2 failed" in status
    assert "the training loss is inf at step 1" in status
    assert failing.runs == ["FAILED"]
    go_on(long)
    done = running.wait(PATIENCE)
    assert done.code == 1, done
    assert "2 of 4 jobs failed; 2 are finished" in done.err
    assert "CANCELLED" in done.err
    assert "CANCELLED" in sweep.status()
    assert cancelled.runs == ["CANCELLED"]
    assert not node.squeue()
    long.assert_as_if_alone(*LONG, "optimizer.lr=0.001")
    last.assert_as_if_alone(*LONG, "optimizer.lr=0.003")

    done = sweep.run()
    assert done.code == 1, done
    assert "1 of 4 jobs failed; 3 are finished" in done.err
    assert cancelled.runs == ["COMPLETED"]
    cancelled.assert_as_if_alone(*LONG, "optimizer.lr=0.002")


def test_jobs_that_are_requeued_and_warned_in_mid_training(sweep_of):
    sweep = sweep_of(*LONG, "seed=0,1,2,3")
    node = sweep.node
    jobs = [sweep.job(f"seed-{seed}") for seed in range(4)]
    signals = (("scancel", f"--signal={name}") for name in ("USR2", "USR1", "TERM"))
    commands = dict(zip(jobs, (("scontrol", "requeue"), *signals), strict=True))
    sent: list[subprocess.Popen[bytes]] = []

    def send(job: Job) -> None:
        # scancel repeats the signal where the job is requeued before it has an answer, so it is not waited for.
        sent.append(subprocess.Popen([*commands[job], job.number], env=node.environment, stderr=subprocess.DEVNULL))

    running = sweep.start()
    all_reach(jobs, send)
    wait_for_end(jobs)
    for command in sent:
        command.kill()
        command.wait()
    done = running.wait(PATIENCE)
    assert done.code == 0, done
    for seed, job in enumerate(jobs):
        *before, last = job.runs
        assert last == "COMPLETED"
        assert set(before) == {"REQUEUED"}
        assert f"seed-{seed}: requeued" in done.out
        job.assert_as_if_alone(*LONG, f"seed={seed}")


def test_a_job_that_is_warned_while_it_starts(sweep_of):
    sweep = sweep_of(*QUICK, "seed=0")
    job = sweep.job("run")
    running = sweep.start()
    submitit = ("-u", "-m", "submitit.core._submit", str(sweep.folder / ".submitit"))
    sweep.node.wait_for(lambda: processes(*submitit), PATIENCE, "its start")
    for process in processes(*submitit):
        os.kill(process, signal.SIGUSR2)
        os.kill(process, signal.SIGTERM)
    done = running.wait(PATIENCE)
    assert done.code == 0, done
    assert job.runs == ["REQUEUED", "COMPLETED"]
    job.assert_as_if_alone(*QUICK, "seed=0")


@pytest.fixture
def preempting(slurm_node) -> Iterator[Callable[..., None]]:
    """Sets how the node preempts, and sets it back."""
    before = dict(slurm_node.options)
    yield lambda style, grace: slurm_node.up(SLURM_DEV_PREEMPT_SIGNAL=style, SLURM_DEV_GRACE=grace)
    slurm_node.up(**({"SLURM_DEV_PREEMPT_SIGNAL": "term", "SLURM_DEV_GRACE": 10} | before))


def test_jobs_that_are_preempted_again_and_again(sweep_of, preempting):
    sweep = sweep_of(*LONG, "seed=0,1")
    node = sweep.node
    jobs = [sweep.job(f"seed-{seed}") for seed in range(2)]
    running = sweep.start()
    # Without a time of grace, SLURM's default, SLURM itself requeues them.
    for style, grace, warning in (("user", 10, "SIGUSR2"), ("term", 10, "SIGTERM"), ("term", 0, "SIGTERM")):
        preempting(style, grace)
        all_reach(jobs, pause)
        told, stops = jobs[1].output.count(warning), jobs[0].stops
        high = node.submit("true", "--partition=high", "--nodes=1", "--ntasks=2")
        node.wait_for(lambda: not jobs[0].is_stopped, PATIENCE, "the cluster's warning")
        # Further warnings while it saves, and until its end.
        while jobs[0].processes():
            for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
                jobs[0].signal(number)
            time.sleep(0.01)
        wait_for_end(jobs)
        assert jobs[1].output.count(warning) == told + 1
        # SLURM wakes a job before it warns it, so either may be the first signal that this one has got.
        assert jobs[0].stops == stops + 1
        node.wait_for_state(high, "COMPLETED", PATIENCE)
    done = running.wait(PATIENCE)
    assert done.code == 0, done
    for seed, job in enumerate(jobs):
        assert job.runs == ["REQUEUED", "REQUEUED", "PREEMPTED", "COMPLETED"]
        job.assert_as_if_alone(*LONG, f"seed={seed}")


def limit(job: Job, minutes: int) -> None:
    """Gives a job so much time in all, once it is in the queue or runs."""
    node = job.node
    node.wait_for(lambda: node.squeue().get(job.number) in ("PENDING", "RUNNING"), PATIENCE, "the job to be requeued")
    node.run("scontrol", "update", f"JobId={job.number}", f"TimeLimit={minutes}")


def test_a_job_that_reaches_its_time_limit_three_times(sweep_of):
    sweep = sweep_of(*LONG, "seed=0", "hydra.launcher.timeout_min=60", "hydra.launcher.signal_delay_s=120")
    job = sweep.job("run")
    running = sweep.start()
    for _ in range(3):
        all_reach([job], pause)
        # At most two minutes more, so that the next look at time limits, twice a minute, brings the warning.
        used = sweep.node.run("squeue", "--noheader", f"--jobs={job.number}", "--format=%M").strip()
        limit(job, int(used.split(":")[-2]) + 2)
        wait_for_end([job])
        limit(job, 60)
    done = running.wait(PATIENCE)
    assert done.code == 0, done
    assert job.runs == ["REQUEUED", "REQUEUED", "REQUEUED", "COMPLETED"]
    assert job.output.count("SIGUSR2") == 3
    job.assert_as_if_alone(*LONG, "seed=0")


def test_neither_the_controller_nor_the_submitting_process_need_live(sweep_of):
    sweep = sweep_of(*LONG, "seed=0,1,2")
    node = sweep.node
    jobs = [sweep.job(f"seed-{seed}") for seed in range(3)]
    before = every_job(node)
    first = sweep.start()
    all_reach(jobs[:2], pause)
    first.signal(signal.SIGKILL)
    assert first.wait().code == -signal.SIGKILL
    assert "2 running" in sweep.status()
    assert "1 queued" in sweep.status()

    running = sweep.start()
    running.wait_for(lambda: "3 jobs are queued or running already" in running.output(), PATIENCE)
    node.stop_controller()
    # One job ends without the controller, the other one is warned, and asks for a requeue until it is heard.
    go_on(jobs[0])
    jobs[1].signal(signal.SIGUSR2)
    go_on(jobs[1])
    running.wait_for(lambda: "SLURM does not answer" in running.output(), PATIENCE)
    node.wait_for(lambda: jobs[0].folder.state is State.FINISHED, PATIENCE, "the first job's end")
    node.wait_for(lambda: "SIGUSR2" in jobs[1].output, PATIENCE, "the second job's state to be saved")
    node.start_controller()
    done = running.wait(PATIENCE)
    assert done.code == 0, done
    assert every_job(node) - before == {job.number for job in jobs}
    assert [job.runs for job in jobs] == [["COMPLETED"], ["REQUEUED", "COMPLETED"], ["COMPLETED"]]
    for seed, job in enumerate(jobs):
        job.assert_as_if_alone(*LONG, f"seed={seed}")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("data.batch_size=16,32,-1", "seed=0,1,2,3"), "4 of 12 jobs cannot run, so none is started"),
        (("seed=0,1", "hydra.launcher.tasks_per_node=2"), "trainer.devices=1"),
        (("seed=0,1", "trainer=ddp"), "hydra.launcher.tasks_per_node=1"),
    ],
)
def test_what_cannot_run_is_not_submitted(sweep_of, options, complaint):
    sweep = sweep_of(*QUICK, *options)
    before = every_job(sweep.node)
    done = sweep.run()
    assert done.code == 2, done
    assert complaint in done.err
    assert every_job(sweep.node) == before
    # What Hydra writes beforehand.
    assert [path.name for path in sweep.folder.iterdir()] == ["multirun.yaml"]


def test_what_sbatch_refuses_is_said_in_its_words(sweep_of):
    sweep = sweep_of(*QUICK, "seed=0,1", "hydra.launcher.partition=nowhere")
    before = every_job(sweep.node)
    done = sweep.run()
    assert done.code == 2, done
    assert "no job is submitted; sbatch: error: invalid partition specified: nowhere" in done.err
    assert "Traceback" not in done.err
    assert every_job(sweep.node) == before
    assert "2 unfinished" in sweep.status()


def test_processes_that_train_together(sweep_of):
    together = ("trainer=ddp", "trainer.accelerator=cpu")
    sweep = sweep_of(*LONG, *together, "seed=0,1", "hydra.launcher.tasks_per_node=2")
    jobs = [sweep.job(f"seed-{seed}") for seed in range(2)]
    running = sweep.start()
    all_reach(jobs[:1], lambda job: job.signal(signal.SIGUSR2))
    done = running.wait(PATIENCE)
    assert done.code == 0, done
    assert [job.runs for job in jobs] == [["REQUEUED", "COMPLETED"], ["COMPLETED"]]
    for seed, job in enumerate(jobs):
        job.assert_as_if_alone(*LONG, *together, f"seed={seed}")
    # One run in each folder: one line of results.
    assert sorted(path.name for path in sweep.folder.iterdir() if path.is_dir()) == [".submitit", "seed-0", "seed-1"]

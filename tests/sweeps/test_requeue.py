"""A warned job asks SLURM to be started again exactly when it should; SLURM's commands are played by scripts here."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import recast.sweeps.requeue as module
from recast.sweeps.requeue import job_number, requeue

JOB = {"SLURM_JOB_ID": "12", "SLURM_PROCID": "0"}
SILENT = "echo 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)' >&2; exit 1"


class Cluster:
    """Answers of squeue and scontrol, in order, the last one for ever; what scontrol was told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.told = folder / "told"
        self.told.touch()

    def answers(self, **commands: list[str]) -> None:
        for name, answers in commands.items():
            cases = "\n".join(f"{number}) {answer} ;;" for number, answer in enumerate(answers[:-1]))
            script = self.folder / name
            script.write_text(f"""#!/bin/bash
count=$(cat "$0.count" 2>/dev/null || echo 0)
echo $((count + 1)) > "$0.count"
echo {name} "$@" >> "{self.told}"
case $count in
{cases}
*) {answers[-1]} ;;
esac
""")
            script.chmod(0o755)

    @property
    def requeues(self) -> list[str]:
        return [line for line in self.told.read_text().splitlines() if line.startswith("scontrol")]

    @property
    def questions(self) -> list[str]:
        return [line for line in self.told.read_text().splitlines() if line.startswith("squeue")]


@pytest.fixture
def cluster(tmp_path, monkeypatch) -> Cluster:
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setattr(module, "PAUSE", 0.01)
    found = Cluster(tmp_path)
    found.answers(squeue=["echo RUNNING"], scontrol=["true"])
    return found


def test_a_running_job_is_requeued(cluster):
    assert requeue(3, environment=JOB) == "SLURM job 12 is requeued, 1 of at most 3 times"
    assert cluster.requeues == ["scontrol requeue 12"]


@pytest.mark.parametrize("state", ["COMPLETING", "PENDING", "CANCELLED"])
def test_a_job_that_is_ending_is_left_alone(state, cluster):
    cluster.answers(squeue=[f"echo {state}"])
    assert requeue(3, environment=JOB) == f"SLURM job 12 is not requeued: it is {state}, not RUNNING"
    assert not cluster.requeues


def test_a_job_that_the_queue_has_forgotten_is_left_alone(cluster):
    cluster.answers(squeue=["true"])
    assert requeue(3, environment=JOB) == "SLURM job 12 is not requeued: it is gone, not RUNNING"
    cluster.answers(squeue=["echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1"])
    assert "Invalid job id specified" in requeue(3, environment=JOB)
    assert not cluster.requeues


def test_a_silent_controller_is_asked_again(cluster):
    cluster.answers(squeue=[SILENT, SILENT, "echo RUNNING"], scontrol=[SILENT, "true"])
    assert requeue(3, environment=JOB) == "SLURM job 12 is requeued, 1 of at most 3 times"
    assert len(cluster.questions) == 4
    assert len(cluster.requeues) == 2


def test_a_requeue_whose_answer_was_lost_is_not_repeated(cluster):
    cluster.answers(squeue=["echo RUNNING", "echo COMPLETING"], scontrol=[SILENT])
    assert requeue(3, environment=JOB) == "SLURM job 12 is requeued, 1 of at most 3 times"
    assert len(cluster.requeues) == 1


def test_patience_ends(cluster):
    cluster.answers(squeue=[SILENT])
    assert "Unable to contact slurm controller" in requeue(3, environment=JOB, patience=0.2)
    assert len(cluster.questions) > 1


def test_a_command_that_hangs_is_given_up(cluster, monkeypatch):
    monkeypatch.setattr(module, "ANSWER", 0.2)
    cluster.answers(squeue=["exec sleep 60", "echo RUNNING"])
    assert requeue(3, environment=JOB) == "SLURM job 12 is requeued, 1 of at most 3 times"


@pytest.mark.parametrize("answer", ["Requested operation is presently disabled", "Access/permission denied"])
def test_a_refusal_is_told_and_taken(answer, cluster):
    cluster.answers(scontrol=[f"echo '{answer} for job 12' >&2; exit 1"])
    assert requeue(3, environment=JOB) == f"SLURM job 12 is not requeued: {answer} for job 12"
    assert len(cluster.requeues) == 1


def test_at_most_so_many_times(cluster):
    counted = JOB | {"SLURM_RESTART_COUNT": "2"}
    assert requeue(3, environment=counted) == "SLURM job 12 is requeued, 3 of at most 3 times"
    assert requeue(2, environment=counted) == ("SLURM job 12 is not requeued: it has been 2 times, and max_requeues=2")
    assert requeue(0, environment=JOB).endswith("max_requeues=0")
    assert len(cluster.requeues) == 1


def test_one_job_of_an_array_is_requeued_not_the_array(cluster):
    task = JOB | {"SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "5"}
    assert job_number(task) == "12_5"
    assert requeue(3, environment=task).startswith("SLURM job 12_5 is requeued")
    assert cluster.requeues == ["scontrol requeue 12_5"]


def test_the_first_process_asks_for_all(cluster):
    assert requeue(3, environment=JOB | {"SLURM_PROCID": "1"}) == ""
    assert not cluster.requeues


def test_outside_of_slurm_nothing_is_asked(cluster):
    assert requeue(3, environment={}) == ""
    assert not cluster.questions


def test_a_machine_without_slurms_commands_says_so(cluster, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert "squeue" in requeue(3, environment=JOB, patience=0)


def test_signals_to_all_processes_of_the_job_do_not_break_the_requeue(cluster):
    # As slurmstepd does it: to us and to our child.
    cluster.answers(scontrol=["kill -TERM $PPID $$; kill -USR2 $PPID $$; sleep 0.1; echo done"])
    program = (
        "from recast.system.signals import stop_on_signals\nfrom recast.errors import StoppedBySignalError\n"
        "from recast.sweeps.requeue import requeue\nimport signal\n"
        "try:\n    with stop_on_signals(): signal.raise_signal(signal.SIGUSR1)\n"
        "except StoppedBySignalError: print(requeue(3), flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | JOB, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "SLURM job 12 is requeued, 1 of at most 3 times\n"), done.stderr
    assert len(cluster.requeues) == 1
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL

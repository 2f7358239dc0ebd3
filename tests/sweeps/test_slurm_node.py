"""The SLURM node for tests: jobs, preemption, a lost controller, two nodes at once, and nothing left behind."""

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
from slurm_node import DAEMONS, PORTS, SCRIPT, SlurmNode, free_ports, running_node

# Says which signals it hears, and goes on; as a step, where SLURM's first notice is heard.
LISTENER = """srun bash -c '
trap "echo heard TERM" TERM
trap "echo heard USR2" USR2
echo "run ${SLURM_RESTART_COUNT:-0}"
[ "${SLURM_RESTART_COUNT:-0}" = 0 ] || exit 0
while true; do sleep 0.1; done'"""


def script(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/bash", str(SCRIPT), *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def processes_of(root: Path) -> list[str]:
    """Live processes that were started with this node's configuration, by /proc alone."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes().split(b"\0")
            name = (process / "comm").read_text().strip()
        except OSError:
            continue
        if f"SLURM_CONF={root}/slurm.conf".encode() in environment:
            found.append(name)
    return sorted(found)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# ---- what cannot be had is said in one line ----


def test_missing_packages_are_named(tmp_path):
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("realpath", "nproc", "id", "uname", "cut", "sort", "paste"):
        (programs / name).symlink_to(shutil.which(name))
    # sbatch and mariadb-install-db lie in /usr/bin, which is hidden; the daemons in /usr/sbin may be there or not.
    answer = script("up", str(tmp_path / "node"), PATH=str(programs))
    assert answer.returncode == 2
    assert answer.stderr.startswith("A SLURM node needs Debian packages that are missing here: apt-get install")
    assert "slurm-wlm" in answer.stderr
    assert "mariadb-server-core" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1
    assert not (tmp_path / "node").exists()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"SLURM_DEV_PORT": "many"}, "SLURM_DEV_PORT=many: expected a whole number."),
        ({"SLURM_DEV_CPUS": "0"}, "SLURM_DEV_CPUS=0: expected at least 1."),
        ({"SLURM_DEV_PREEMPT_SIGNAL": "USR2"}, "SLURM_DEV_PREEMPT_SIGNAL=USR2: expected term or user."),
        ({"SLURM_DEV_ACCOUNTING": "no"}, "SLURM_DEV_ACCOUNTING=no: expected 0 or 1."),
    ],
)
def test_bad_options_are_refused(tmp_path, options, complaint):
    answer = script("status", str(tmp_path / "node"), **options)
    assert (answer.returncode, answer.stderr.strip()) == (2, complaint)


def test_an_unknown_command_is_refused():
    assert script("start").returncode == 2


def test_down_where_nothing_runs_does_nothing(tmp_path):
    answer = script("down", str(tmp_path / "node"))
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")
    assert not (tmp_path / "node").exists()


# ---- the shared node ----


@pytest.fixture
def node(slurm_node):
    yield slurm_node
    slurm_node.up(SLURM_DEV_PREEMPT_SIGNAL="term")
    slurm_node.cancel_all()


@pytest.mark.slow
def test_a_job_runs_and_is_in_the_accounts(node):
    job = node.submit("srun --ntasks=2 bash -c 'echo task $SLURM_PROCID'", "--ntasks=2")
    node.wait_for_state(job, "COMPLETED")
    assert sorted(node.output(job).splitlines()) == ["task 0", "task 1"]
    assert node.sacct(job) == ["COMPLETED"]


@pytest.mark.slow
def test_a_failed_job_is_failed(node):
    job = node.submit("exit 3")
    node.wait_for_state(job, "FAILED")


@pytest.mark.slow
def test_two_jobs_with_memory_for_torch_run_side_by_side(node):
    jobs = [node.submit("sleep 60") for _ in range(3)]
    node.wait_for(lambda: sorted(node.squeue().values()) == ["PENDING", "RUNNING", "RUNNING"], 20, "two to run")
    memory = node.run("squeue", "--noheader", "--format=%m", f"--jobs={jobs[0]}").strip()
    assert int(memory[:-1]) * {"M": 1, "G": 1024}[memory[-1]] >= 700


@pytest.mark.slow
@pytest.mark.parametrize(("style", "heard"), [("term", "heard TERM"), ("user", "heard USR2")])
def test_preempted_jobs_hear_the_chosen_signal_and_run_again(node, style, heard):
    node.up(SLURM_DEV_PREEMPT_SIGNAL=style)
    low = node.submit(LISTENER, "--partition=low", "--signal=USR2@120")
    node.wait_for(lambda: "run 0" in node.output(low), 20, "the low job")
    high = node.submit("sleep 1", "--partition=high", "--ntasks=2")
    node.wait_for_state(high, "COMPLETED", 90)
    node.wait_for_state(low, "COMPLETED", 60)
    said = node.output(low).splitlines()
    assert [line for line in said if line.startswith(("run", "heard"))][:2] == ["run 0", heard]
    assert "run 1" in said
    assert node.sacct(low) == ["PREEMPTED", "COMPLETED"]


@pytest.mark.slow
def test_a_job_survives_the_controller(node):
    job = node.submit("while ! [ -e end ]; do sleep 0.1; done; rm end; echo done")
    node.wait_for_state(job, "RUNNING")
    node.stop_controller()
    assert sorted(node.daemons()) == sorted(set(DAEMONS) - {"slurmctld"})
    # It ends while nobody listens.
    (node.root / "end").touch()
    node.wait_for(lambda: "done" in node.output(job), 20, "the job's end")
    node.start_controller()
    node.wait_for_state(job, "COMPLETED", 90)
    # "COMPLETED", not "NODE_FAIL" or a second run.
    assert node.sacct(job) == ["COMPLETED"]


@pytest.mark.slow
def test_up_again_changes_nothing(node):
    before = node.daemons()
    node.up()
    assert node.daemons() == before


@pytest.mark.slow
def test_a_running_node_keeps_its_port(node):
    before = node.conf.read_text()
    answer = script("up", str(node.root), **(node.options | {"SLURM_DEV_PORT": str(free_ports())}))
    assert answer.returncode == 2
    assert "runs with another port, number of processors or accounting: take it down first." in answer.stderr
    assert node.conf.read_text() == before


# ---- nodes of their own ----


@pytest.mark.slow
def test_down_leaves_no_process_and_no_port(tmp_path):
    with running_node() as node:
        first = int(node.options["SLURM_DEV_PORT"])
        assert all(listens(port) for port in range(first, first + PORTS))
        # A job that ignores SIGTERM, one whose child outlives its parent, and one that waits.
        stubborn = node.submit("trap '' TERM; srun bash -c 'trap \"\" TERM; sleep 300; sleep 300'; sleep 300")
        orphaned = node.submit("bash -c 'trap \"\" TERM; exec sleep 300' & sleep 300")
        node.submit("sleep 300")
        node.wait_for_state(stubborn, "RUNNING")
        node.wait_for_state(orphaned, "RUNNING")
        node.wait_for(lambda: processes_of(node.root).count("slurmstepd") == 3, 20, "two batch scripts and a step")
        node.down()
        assert processes_of(node.root) == []
        assert not any(listens(port) for port in range(first, first + PORTS))


@pytest.mark.slow
def test_down_ends_jobs_that_outlived_the_daemons():
    with running_node(SLURM_DEV_ACCOUNTING=0) as node:
        job = node.submit("srun sleep 300")
        node.wait_for_state(job, "RUNNING")
        for pid in node.daemons().values():
            os.kill(pid, 9)
        node.wait_for(lambda: not node.daemons(), 10, "the daemons' end")
        assert "slurmstepd" in processes_of(node.root)
        node.down()
        assert processes_of(node.root) == []


@pytest.mark.slow
def test_two_nodes_do_not_disturb_each_other(node):
    job = node.submit("sleep 300")
    node.wait_for_state(job, "RUNNING")
    before = node.daemons()
    with running_node() as other:
        its_job = other.submit("echo here")
        other.wait_for_state(its_job, "COMPLETED")
        assert job in node.squeue()
        assert other.squeue() == {}
    assert node.daemons() == before
    assert node.squeue() == {job: "RUNNING"}


@pytest.mark.slow
def test_a_taken_port_is_named(tmp_path):
    with socket.socket() as taken:
        port = free_ports()
        taken.bind(("127.0.0.1", port + 1))
        taken.listen()
        node = SlurmNode(tmp_path, SLURM_DEV_PORT=port)
        with pytest.raises(pytest.skip.Exception, match=rf"Port {port + 1}, for slurmd, is taken by another program"):
            node.up()


@pytest.mark.slow
def test_starting_takes_seconds():
    start = time.monotonic()
    with running_node() as node:
        assert time.monotonic() - start < 60
        assert node.squeue() == {}

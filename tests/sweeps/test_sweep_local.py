"""Sweeps on this machine: side by side, checked as a whole, killed and started again without a result that differs."""

import contextlib
import json
import os
import pty
import random
import re
import select
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import pytest
from commands import BIN, QUICK, Running, assert_same_weights, load, metrics_of, run, shared_run, shell, start
from sweeping import LONG, PATIENCE, begin, caught, job_processes, nothing_left, process_of, states, sweep  # noqa: F401
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

from recast.sweeps.job_folder import JobFolder, State

pytestmark = [pytest.mark.timeout(900), pytest.mark.usefixtures("nothing_left")]

WITH_CURVES = QUICK[:-1]
assert QUICK[-1] == "logger=none"
GRID = ("model/cell=rnn,gru", "seed=0,1")
NAMES = ["cell-gru_seed-0", "cell-gru_seed-1", "cell-rnn_seed-0", "cell-rnn_seed-1"]


def assert_same_results(first: Path, second: Path) -> None:
    assert metrics_of(first) == metrics_of(second)
    for name in ("best.ckpt", "last.ckpt"):
        assert_same_weights(first / "checkpoints" / name, second / "checkpoints" / name)
    for name in ("per_horizon.csv", "per_origin.csv", "ranked_forecasts.csv"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """The folder of a sweep of cells and seeds; tests that change it copy it."""
    cwd = tmp_path_factory.mktemp("finished")
    done = sweep(*GRID, cwd=cwd, quick=WITH_CURVES)
    assert done.code == 0, done
    assert "[4/4]" in done.out
    (cwd / "printed").write_text(done.out)
    return cwd / "sweep"


@pytest.mark.slow
def test_a_sweep_ends_with_its_best_runs_and_the_commands_that_show_all(finished):
    *_, best, first, second, third, report, tensorboard = (finished.parent / "printed").read_text().splitlines()
    assert best == "best by mse/validation:"
    values = {name: load_scores(finished / name) for name in NAMES}
    names = [line.split()[0] for line in (first, second, third)]
    assert names == sorted(NAMES, key=lambda name: values[name][0])[:3]
    assert first.split()[1] == f"{values[names[0]][0]:.4g}"
    assert first.endswith(f"(mse/test {values[names[0]][1]:.4g})")
    assert report.endswith(f"recast-report {finished}")
    assert tensorboard.endswith(f"tensorboard --logdir {finished}")


def load_scores(folder: Path) -> tuple[float, float]:
    """The validation score that chose the state, and the test score."""
    found = metrics_of(folder)
    return found["selection"]["value"], found["test"]["mse"]


@pytest.mark.slow
def test_a_folder_for_each_job_named_by_what_is_swept(finished):
    assert sorted(path.parent.name for path in finished.glob("*/metrics.json")) == NAMES
    listed = {job["folder"]: job["swept"] for job in json.loads((finished / "jobs.json").read_text())}
    assert listed["cell-gru_seed-1"] == {"model/cell": "gru", "seed": "1"}
    assert sorted(listed) == NAMES


@pytest.mark.slow
@pytest.mark.parametrize(("cell", "seed"), [("rnn", 1), ("gru", 0)])
def test_a_job_is_the_run_of_the_same_options(cell, seed, finished):
    alone = shared_run(*QUICK, f"model/cell={cell}", f"seed={seed}")
    assert_same_results(finished / f"cell-{cell}_seed-{seed}", alone)


@pytest.mark.slow
def test_tensorboard_names_runs_by_their_folders(finished):
    runs = EventMultiplexer().AddRunsFromDirectory(str(finished)).Reload().Runs()
    assert sorted(runs) == NAMES


def times(folder: Path) -> dict[str, int]:
    """When each file of each job was written."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.glob("*/**/*") if path.is_file()}


@pytest.mark.slow
def test_the_same_sweep_again_does_nothing(finished):
    before = times(finished)
    done = sweep(*GRID, cwd=finished.parent, quick=WITH_CURVES)
    assert done.code == 0, done
    assert "4 jobs, 4 of them done already" in done.out
    assert times(finished) == before


@pytest.mark.slow
def test_only_what_is_missing_of_a_larger_sweep_is_run(finished, tmp_path):
    folder = tmp_path / "sweep"
    shutil.copytree(finished, folder)
    (folder / NAMES[0] / "metrics.json").unlink()
    results = folder / NAMES[3] / "metrics.json"
    results.write_text(results.read_text()[:200])
    before = times(folder)
    done = sweep("model/cell=gru,rnn", "seed=2,1,0", cwd=tmp_path, quick=WITH_CURVES)
    assert done.code == 0, done
    assert "6 jobs, 2 of them done already" in done.out
    started = set(re.findall(r"^(\S+): started$", done.out, flags=re.MULTILINE))
    assert started == {NAMES[0], NAMES[3], "cell-gru_seed-2", "cell-rnn_seed-2"}
    after = times(folder)
    for name in NAMES[1:3]:
        kept = {path: stamp for path, stamp in before.items() if path.startswith(name)}
        assert kept == {path: stamp for path, stamp in after.items() if path.startswith(name)}
    for name in NAMES:
        assert metrics_of(folder / name) == metrics_of(finished / name)
    trained_again = f"{NAMES[0]}/checkpoints/last.ckpt"
    assert after[trained_again] == before[trained_again], "its training was finished; it is scored alone"


def test_one_bad_value_refuses_all(tmp_path):
    done = sweep("optimizer.lr=0.1,0.2,-1", "seed=0,1", cwd=tmp_path)
    assert done.code == 2, done
    assert done.err.startswith("recast: 2 of 6 jobs cannot run, so none is started\n")
    assert (
        "job 4 (optimizer.lr=-1 seed=0), job 5 (optimizer.lr=-1 seed=1): optimizer: Invalid learning rate" in done.err
    )
    assert "Traceback" not in done.err
    assert not list(tmp_path.glob("sweep/*/"))
    assert not (tmp_path / "sweep" / "jobs.json").exists()


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("hydra.launcher.processes=0", "processes=0: input should be greater than or equal to 1"),
        ("hydra.launcher.restarts=many", "restarts='many': input should be a valid integer"),
        ("+hydra.launcher.process=2", "hydra.launcher.process: no such option; did you mean processes?"),
        ("hydra.launcher.process=2", "Could not override 'hydra.launcher.process'"),
        ("hydra/launcher=locla", "hydra/launcher=locla: no such choice; did you mean local?"),
    ],
)
def test_a_wrong_option_of_the_launcher_is_refused(option, told, tmp_path):
    done = sweep("seed=0,1", option, cwd=tmp_path)
    assert done.code == 2, done
    assert told in done.err
    assert done.err.startswith("recast: ")
    assert "Traceback" not in done.err
    assert not list(tmp_path.rglob("metrics.json"))


@pytest.mark.slow
def test_a_failing_job_is_told_at_once_and_spares_the_others(tmp_path):
    running = begin("optimizer.lr=0.01,1e30", cwd=tmp_path)
    other = caught(running, tmp_path / "sweep" / "lr-0.01")
    running.wait_for(lambda: "failed" in running.output(), seconds=PATIENCE)
    assert "lr-1e+30: failed" in running.output()
    assert JobFolder(tmp_path / "sweep" / "lr-0.01").state is State.RUNNING
    os.kill(other, signal.SIGCONT)
    done = running.wait(PATIENCE)
    assert done.code == 1, done
    assert done.err.startswith("recast: 1 of 2 jobs failed; 1 are finished\nlr-1e+30: the training loss is ")
    assert "hydra.sweep.dir=" in done.err
    assert "Traceback" not in done.err
    assert metrics_of(tmp_path / "sweep" / "lr-0.01")["steps"] > 0
    status = run("recast-status", "sweep", cwd=tmp_path, COLUMNS="100")
    assert status.code == 0, status
    assert "1 finished  1 failed" in status.out
    assert "the training loss is" in status.out


def long_run(seed: int) -> Path:
    return shared_run(*LONG, f"seed={seed}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
@pytest.mark.slow
def test_a_sweep_stopped_by_a_signal_goes_on_where_it_was(number, tmp_path):
    where = () if number == signal.SIGINT else ("hydra.sweep.dir=sweep",)
    options = ("-m", *LONG, "seed=0,1,2", "hydra.launcher.processes=2", *where)
    running = start("recast-train", *options, cwd=tmp_path)
    running.wait_for(lambda: list(tmp_path.rglob("seed-0/checkpoints/last.ckpt")), seconds=PATIENCE)
    running.signal(number)
    done = running.wait(PATIENCE)
    assert done.code == 143, done
    assert f"{number.name}: the states of the jobs are saved; the same command with hydra.sweep.dir=" in done.err
    assert "Traceback" not in done.err
    (job,) = tmp_path.rglob("seed-0")
    folder = job.parent
    assert not job_processes(folder)
    assert load(job / "checkpoints" / "last.ckpt")["global_step"] > 0
    assert not list(folder.glob("*/metrics.json"))
    assert JobFolder(job).state is State.UNFINISHED
    again = options if where else (*options, "resume=true")
    done = start("recast-train", *again, cwd=tmp_path).wait(PATIENCE)
    assert done.code == 0, done
    assert sorted(path.parent for path in tmp_path.rglob("metrics.json")) == [folder / f"seed-{n}" for n in range(3)]
    for seed in range(3):
        assert_same_results(folder / f"seed-{seed}", long_run(seed))


@pytest.mark.slow
def test_jobs_outlive_a_killed_launcher_and_are_found_again(tmp_path):
    folder = tmp_path / "sweep"
    options = ("seed=0,1,2", "hydra.launcher.processes=2")
    running = begin(*options, cwd=tmp_path, quick=LONG)
    orphans = [caught(running, folder / f"seed-{n}", lambda: len(states(folder)) == 2) for n in range(2)]
    running.signal(signal.SIGKILL)
    assert running.wait().code == -signal.SIGKILL
    again = begin(*options, cwd=tmp_path, quick=LONG)
    again.wait_for(lambda: again.output().count("runs it still") == 2, seconds=PATIENCE)
    assert [process_of(folder / f"seed-{n}") for n in range(2)] == orphans
    for process in orphans:
        os.kill(process, signal.SIGCONT)
    done = again.wait(PATIENCE)
    assert done.code == 0, done
    assert "[3/3]" in done.out
    assert re.findall(r"^(\S+): started", done.out, flags=re.MULTILINE) == ["seed-2"]
    for seed in range(3):
        assert_same_results(folder / f"seed-{seed}", long_run(seed))


KILLS = 10


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_jobs_killed_at_random_moments_end_as_if_undisturbed(tmp_path):
    grid = ("model/cell=gru,lstm", "model.dropout=0.2", "model.layers=2", "seed=0,1", "trainer.max_epochs=12")
    done = begin(*grid, cwd=tmp_path / "undisturbed", quick=LONG).wait(5 * PATIENCE)
    assert done.code == 0, done
    folder = tmp_path / "killed" / "sweep"
    running = begin(*grid, "hydra.launcher.restarts=30", cwd=tmp_path / "killed", quick=LONG)
    rng = random.Random(7)
    killed: list[str] = []
    while running.process.is_alive() and len(killed) < KILLS:
        found = job_processes(folder)
        if not found:
            time.sleep(0.01)
            continue
        time.sleep(rng.uniform(0, 1))
        name = rng.choice(sorted(found))
        if process_of(folder / name) == found[name]:
            os.kill(found[name], signal.SIGKILL)
            killed.append(name)
    done = running.wait(5 * PATIENCE)
    assert done.code == 0, done
    assert len(killed) == KILLS
    assert len(set(killed)) > 1
    # But for those that came when the results were written already.
    assert KILLS - 3 <= done.out.count("ended by SIGKILL") <= KILLS
    for reference in sorted((tmp_path / "undisturbed" / "sweep").glob("*/metrics.json")):
        assert_same_results(folder / reference.parent.name, reference.parent)
    assert len(list(folder.glob("*/metrics.json"))) == 4


@pytest.mark.slow
def test_a_killed_job_is_a_failed_one_where_restarts_are_used_up(tmp_path):
    folder = tmp_path / "sweep"
    options = ("seed=0,1", "hydra.launcher.restarts=0")
    running = begin(*options, cwd=tmp_path, quick=LONG)
    os.kill(caught(running, folder / "seed-0", (folder / "seed-0/checkpoints/last.ckpt").exists), 9)
    done = running.wait(PATIENCE)
    assert done.code == 1, done
    assert "seed-0: failed" in done.out
    assert "seed-0: ended by SIGKILL (no memory left?); see " in done.err
    failure = json.loads((folder / "seed-0" / "failure.json").read_text())
    assert failure["exit_code"] == -signal.SIGKILL
    assert "1 failed" in run("recast-status", "sweep", cwd=tmp_path).out
    done = sweep(*options, cwd=tmp_path, quick=LONG)
    assert done.code == 0, done
    assert "2 jobs, 1 of them done already" in done.out
    assert not (folder / "seed-0" / "failure.json").exists()
    assert "resuming from" in (folder / "seed-0" / "output.log").read_text()
    for seed in range(2):
        assert_same_results(folder / f"seed-{seed}", long_run(seed))


@pytest.mark.slow
def test_a_full_disk_in_mid_sweep_leaves_whole_files_and_the_sweep_goes_on(small_disk, tmp_path):
    folder = small_disk / "sweep"
    options = ("-m", *LONG, f"hydra.sweep.dir={folder}", "seed=0,1,2", "hydra.launcher.processes=2")
    running = start("recast-train", *options, cwd=tmp_path)
    running.wait_for(lambda: len(states(folder)) == 2, seconds=PATIENCE)
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(1024))
    done = running.wait(PATIENCE)
    assert done.code == 1, done
    assert "No space left on device" in done.out + done.err
    assert "Traceback" not in done.err
    for path in folder.rglob("*.ckpt"):
        assert not path.name.startswith(".")
        assert load(path)["global_step"] > 0
    for path in folder.rglob("*.json"):
        json.loads(path.read_text())
    assert not list(folder.glob("*/metrics.json"))
    filler.unlink()
    done = start("recast-train", *options, cwd=tmp_path).wait(PATIENCE)
    assert done.code == 0, done
    for seed in range(3):
        assert_same_results(folder / f"seed-{seed}", long_run(seed))


def observed(running: Running, folder: Path) -> list[dict[str, int]]:
    """The processes of jobs at many moments of a sweep."""
    seen = []
    while running.process.is_alive():
        if (found := job_processes(folder)) and (not seen or seen[-1] != found):
            seen.append(found)
        time.sleep(0.02)
    return seen


@pytest.mark.slow
@pytest.mark.parametrize(("threads", "at_once"), [(1, 2), (2, 1)])
def test_cores_are_shared_out(threads, at_once, tmp_path):
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        pytest.skip("there is one core alone")
    running = begin(f"threads={threads}", "seed=0,1,2", cwd=tmp_path, quick=LONG)
    os.sched_setaffinity(running.process.pid, cores)
    folder = tmp_path / "sweep"
    process = caught(running, folder / "seed-0")
    server = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    assert f"OMP_NUM_THREADS={threads}" in Path(f"/proc/{server}/environ").read_text().split("\0") or threads == 2
    os.kill(process, signal.SIGCONT)
    seen = observed(running, folder)
    assert running.wait(PATIENCE).code == 0
    assert max(map(len, seen)) == at_once


def resident(process: int) -> int:
    """Memory of a process. [kB]"""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1])
    return 0


@pytest.mark.slow
def test_memory_of_finished_jobs_is_given_back(tmp_path):
    running = begin("seed=0,1,2,3,4,5,6", "hydra.launcher.processes=2", cwd=tmp_path)
    folder = tmp_path / "sweep"
    memory: dict[int, int] = {}
    processes: set[int] = set()
    while running.process.is_alive():
        finished = len(list(folder.glob("*/metrics.json")))
        memory[finished] = resident(running.process.pid) or memory.get(finished, 0)
        found = job_processes(folder)
        assert len(found) <= 2
        processes |= set(found.values())
        time.sleep(0.05)
    assert running.wait().code == 0
    assert len(processes) == 7, "each job has a process of its own"
    assert not [process for process in processes if Path(f"/proc/{process}").exists()]
    early = memory[min(count for count in memory if count >= 2)]
    late = memory[max(count for count in memory if count <= 6)]
    assert late - early < 4 * 1024, memory


@pytest.mark.slow
def test_jobs_of_two_processes(tmp_path):
    words = (*QUICK, "trainer=ddp", "trainer.accelerator=cpu")
    alone = shell("recast-train", *words, "hydra.run.dir=alone", cwd=tmp_path)
    assert alone.code == 0, alone
    done = shell("recast-train", "-m", *words, "hydra.sweep.dir=sweep", "seed=0,1", cwd=tmp_path, limit=PATIENCE)
    assert done.code == 0, done
    assert_same_results(tmp_path / "sweep" / "seed-0", tmp_path / "alone")
    assert sorted(path.name for path in tmp_path.glob("sweep/*/")) == ["seed-0", "seed-1"]
    assert not job_processes(tmp_path / "sweep")


class Terminal:
    """A command in a terminal of 80 columns; what it has shown."""

    def __init__(self, *words: str, cwd: Path) -> None:
        ours, theirs = pty.openpty()
        environment = os.environ | {"COLUMNS": "80", "LINES": "24", "TERM": "xterm-256color", "OMP_NUM_THREADS": "1"}
        first, *rest = words
        self.process = subprocess.Popen(
            [str(BIN / first), *rest], cwd=cwd, env=environment, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        self._shown = bytearray()
        self._reader = threading.Thread(target=self._read, args=(ours,), daemon=True)
        self._reader.start()

    def _read(self, terminal: int) -> None:
        while True:
            select.select([terminal], [], [])
            try:
                piece = os.read(terminal, 65536)
            except OSError:
                piece = b""
            if not piece:
                os.close(terminal)
                return
            self._shown += piece

    def wait(self) -> str:
        self.process.wait(PATIENCE)
        self._reader.join(10)
        return self.shown()

    def shown(self) -> str:
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self._shown.decode(errors="replace"))


@pytest.mark.slow
def test_progress_is_shown_in_a_terminal(tmp_path):
    words = ("recast-train", "-m", *LONG, "hydra.sweep.dir=sweep", "optimizer.lr=0.01,0.02,1e30")
    terminal = Terminal(*words, "callbacks.progress_file.every_seconds=0.2", cwd=tmp_path)
    limit = time.monotonic() + PATIENCE
    while not job_processes(tmp_path / "sweep") and time.monotonic() < limit:
        time.sleep(0.05)
    watch = Terminal("recast-status", "sweep", "--watch", cwd=tmp_path)
    shown, watched = terminal.wait(), watch.wait()
    assert terminal.process.returncode == 1
    assert watch.process.returncode == 0
    assert "mse/validation" in shown
    assert "training" in shown
    assert re.search(r"lr-1e\+30: failed after \d+ s: the training loss is", shown)
    for text in (shown, watched):
        assert "━" in text
        assert "2 finished  1 failed" in text
        rows = [line for line in text.splitlines() if line.startswith(("job", "lr-")) and "recast" not in line]
        assert max(len(row) for row in rows if ": failed after" not in row) <= 80

"""The parts of a sweep: names, folders and their states, the list of jobs, shares of a machine, what is searched."""

import io
import json
import multiprocessing
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from rich.console import Console

from recast.errors import ConfigurationError
from recast.runs.configure.folders import conf_folder, register
from recast.sweeps.job_folder import JobFolder, JobRunningError, State
from recast.sweeps.overview import JobStatus, overview, status_of, sweep_status
from recast.sweeps.plan import LONGEST, Job, add_jobs, check_jobs, job_name, place_jobs, plain_config, read_jobs, swept
from recast.sweeps.search_space import corners, overrides_of, split
from recast.sweeps.slots import Slots
from recast.sweeps.waiting import waiting_jobs

LEGAL = re.compile(r"[\w.+-]+")


def test_only_what_differs_is_swept():
    given_ones = ["data=ssh", "model/cell=rnn,gru", "seed=0,1"]
    assert swept(["data=ssh", "model/cell=gru", "+seed=1"], given_ones) == {"model/cell": "gru", "seed": "1"}
    assert swept(["seed=1", "++callbacks.pruning={trial:3}"], ["seed=0,1"], ("callbacks.pruning",)) == {"seed": "1"}
    assert swept(["data.source.gaps=False", "seed=1"], ["data.source.gaps=false", "seed=0,1"]) == {"seed": "1"}
    assert swept(["~logger", "+model.lags=[1,2]", "resume=True"], ["~logger", "+model.lags=[1, 2]"]) == {}


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"model/cell": "gru", "seed": "0"}, "cell-gru_seed-0"),
        ({"optimizer.lr": "0.00103232603519"}, "lr-0.001032"),
        ({"optimizer.lr": "1e-3"}, "lr-1e-3"),
        ({"data.split.test": "'2020-06-01'"}, "test-2020-06-01"),
        ({}, "run"),
    ],
)
def test_names_are_read_by_people(options, name):
    assert job_name(options, list(options)) == name


def test_keys_with_the_same_last_word_are_told_apart():
    keys = ["data.windows.context", "model.context"]
    assert job_name({keys[0]: "5", keys[1]: "6"}, keys) == "windows.context-5_model.context-6"


@given(st.dictionaries(st.text(min_size=1, max_size=30), st.text(max_size=80), max_size=6))
def test_names_are_legal_folders_and_overrides(options):
    name = job_name(options, list(options))
    assert LEGAL.fullmatch(name)
    assert len(name) <= LONGEST
    assert name[0] not in ".-"


@given(st.text(min_size=90, max_size=120), st.text(min_size=90, max_size=120))
def test_names_that_are_cut_off_still_differ(one, other):
    names = {job_name({"key": f"{'x' * 100}{value}"}, ["key"]) for value in (one, other)}
    assert len(names) == len({one, other})


@pytest.fixture
def folder(tmp_path) -> JobFolder:
    return JobFolder(tmp_path / "job")


def finish(folder: JobFolder, results: object = None) -> None:
    folder.path.mkdir(parents=True, exist_ok=True)
    folder.results.write_text(json.dumps(results or {"test": {"mse": 1.5}, "steps": 8, "seconds": {"fit": 2.0}}))


def test_states_of_a_job(folder):
    assert folder.state is State.MISSING
    folder.write_config({"seed": 0})
    assert folder.state is State.UNFINISHED
    folder.write_failure("\n  no luck\nat all", 1)
    assert folder.state is State.FAILED
    assert folder.failure_reason() == "no luck"
    folder.write_failure("hopeless", 3)
    assert folder.state is State.PRUNED
    finish(folder)
    assert folder.state is State.FINISHED
    with folder.locked():
        assert folder.state is State.RUNNING
    assert folder.state is State.FINISHED


@pytest.mark.parametrize("results", ["", "{", '{"test": {}}', '{"validation": {"mse": 1}}', "[1]", '{"test": 1}'])
def test_a_result_that_is_not_whole_is_none(folder, results):
    folder.path.mkdir()
    folder.results.write_text(results)
    assert folder.read_results() is None
    assert folder.state is not State.FINISHED


def hold(path: str, ready: "multiprocessing.Queue[bool]") -> None:
    with JobFolder(Path(path)).locked():
        ready.put(obj=True)
        multiprocessing.Event().wait()


@pytest.mark.slow
def test_a_job_is_run_by_one_process_until_it_dies(folder):
    context = multiprocessing.get_context("spawn")
    ready = context.Queue()
    process = context.Process(target=hold, args=(str(folder.path), ready))
    process.start()
    assert ready.get(timeout=60)
    assert folder.state is State.RUNNING
    with pytest.raises(JobRunningError, match="another process"), folder.locked():
        pass
    process.kill()
    process.join()
    assert folder.state is State.MISSING


def test_last_words_of_a_job(folder):
    assert folder.last_words() is None
    folder.path.mkdir()
    folder.output.write_text("recast: first\nno words\n" + "x" * 100_000 + "\nrecast: last\nTraceback\n")
    assert folder.last_words() == "last"
    folder.output.write_bytes(b"recast: gone\n" + b"\xff" * 100_000)
    assert folder.last_words() is None, "far back"


def test_a_configuration_that_cannot_be_read_is_none(folder):
    folder.path.mkdir()
    folder.config.write_text("a: [")
    assert folder.read_config() is None


@pytest.fixture(scope="module", autouse=True)
def configuration() -> Iterator[None]:
    register()
    with initialize_config_dir(version_base="1.3", config_dir=str(conf_folder())):
        yield


def job(number: int, *overrides: str) -> Job:
    composed = compose(config_name="train", overrides=["data=ar2", *overrides], return_hydra_config=True)
    return Job(number, overrides, swept(overrides, []), composed, plain_config(composed))


def test_a_job_finds_its_folder_again_by_its_configuration(tmp_path):
    jobs = [job(0, "seed=0"), job(1, "seed=1")]
    placed = place_jobs(jobs, tmp_path)
    assert [placed[number].path.name for number in (0, 1)] == ["seed-0", "seed-1"]
    for one in jobs:
        placed[one.number].write_config(one.config | {"resume": True})
    again = place_jobs([job(0, "seed=1"), job(1, "seed=2"), job(2, "seed=0", "model/cell=gru")], tmp_path)
    assert [again[number].path.name for number in (0, 1, 2)] == ["seed-1", "seed-2", "seed-0"], "gru is the default"


def test_another_configuration_of_the_same_name_gets_a_folder_of_its_own(tmp_path):
    first = job(0, "seed=0")
    place_jobs([first], tmp_path)[0].write_config(first.config | {"threads": 2})
    name = place_jobs([first], tmp_path)[0].path.name
    assert re.fullmatch(r"seed-0-[0-9a-f]{8}", name)


def test_all_jobs_are_checked_and_each_problem_is_told_once():
    jobs = [job(n, f"seed={n}", f"optimizer.lr={lr}") for n, lr in enumerate((0.1, -1, -1, -1, -1, 0.2))]
    jobs.append(job(6, "model.cell.hidden_size=0"))
    jobs.append(job(7, "data.windows.context=5000"))
    with pytest.raises(ConfigurationError) as caught:
        check_jobs(jobs, lambda config: None)
    first, *told = str(caught.value).splitlines()
    assert first == "6 of 8 jobs cannot run, so none is started"
    assert len(told) == 3
    assert told[0].startswith("job 1 (seed=1 optimizer.lr=-1), job 2")
    assert "and 1 more: optimizer: Invalid learning rate: -1" in told[0]
    assert "model.cell.hidden_size=0: input should be greater" in told[1]
    assert "(data.windows.context=5000)" in told[2]


def test_what_the_launcher_cannot_start_is_refused():
    def refuse(config: dict) -> None:
        raise ConfigurationError("not here")

    with pytest.raises(ConfigurationError, match=r"1 of 1 jobs.*\n.*not here"):
        check_jobs([job(0)], refuse)


def test_the_list_of_jobs_grows(tmp_path):
    assert read_jobs(tmp_path) == []
    entry = {"folder": "seed-0", "overrides": ["seed=0"], "swept": {"seed": "0"}}
    add_jobs(tmp_path, [entry])
    add_jobs(tmp_path, [entry | {"overrides": ["seed=00"]}, entry | {"folder": "seed-1"}])
    assert [found["folder"] for found in read_jobs(tmp_path)] == ["seed-0", "seed-1"]
    assert read_jobs(tmp_path)[0]["overrides"] == ["seed=00"]


def test_a_long_reason_leaves_the_names_of_a_live_table_readable():
    jobs = [
        JobStatus("lr-0.01", State.FINISHED, 420, 420, scores={"mse/test": 9.5}),
        JobStatus(
            "lr-1e+30", State.FAILED, 1, 420, reason="the training loss is inf at step 1; " + "rows 74 to 1086 " * 20
        ),
    ]
    console = Console(width=80, record=True, file=io.StringIO())
    console.print(overview(jobs, most=20))
    heading, finished, failed, _ = console.export_text().splitlines()
    assert heading.startswith("job ")
    assert finished.startswith("lr-0.01 ")
    assert failed.startswith("lr-1e+30 ")
    assert failed.rstrip().endswith("…")
    assert len(failed) <= 80


def test_status_of_a_sweep(tmp_path):
    names = ["done", "bad", "half", "never", "busy"]
    add_jobs(tmp_path, [{"folder": name, "overrides": [], "swept": {}} for name in names])
    done, bad, half, _, busy = (JobFolder(tmp_path / name) for name in names)
    finish(done)
    for one in (bad, half, busy):
        one.write_config({})
    bad.write_failure("out of luck [m]", 1)
    busy.progress.write_text('{"phase": "training", "step": 5, "total_steps": 9, "monitor": {"mse/validation": 0.25}}')
    with busy.locked():
        found = sweep_status(tmp_path)
    assert [one.state.value for one in found] == ["finished", "failed", "unfinished", "missing", "running"]
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(overview(found))
    text = console.export_text()
    for words in ("mse/test 1.5", "out of luck [m]", "mse/validation 0.25", "5/9", "1 finished", "1 missing"):
        assert words in text
    console.print(overview(found, most=2))
    assert "never" not in console.export_text(), "running and failed ones first"


def test_the_score_of_a_job_is_that_which_ranks(tmp_path):
    """Of targets that differ in unit or size: not the first, which the largest decides."""
    job = JobFolder(tmp_path)
    job.write_config({})
    described = {
        name: {"unit": "", "higher_is_better": False, "perfect": 0.0, "mixes": name == "mse"}
        for name in ("mse", "scaled_mse")
    }
    results = {"test": {"mse": 30.0, "scaled_mse": 0.5}, "metrics": described}
    (tmp_path / "metrics.json").write_text(json.dumps(results))
    assert list(status_of(job, "job").scores) == ["scaled_mse/test", "mse/test"]


def test_status_needs_a_sweep(tmp_path):
    with pytest.raises(ConfigurationError, match="there is no sweep in it"):
        sweep_status(tmp_path)


def test_progress_that_is_not_whole_is_no_progress(folder):
    folder.write_config({})
    folder.progress.write_text('{"step": 3')
    assert status_of(folder, "job").step is None


def config_of(threads: int = 1, devices: int = 1, accelerator: str = "cpu") -> dict:
    return {"threads": threads, "trainer": {"devices": devices, "accelerator": accelerator}}


def test_cores_are_shared_out():
    slots = Slots(cores=4)
    two = slots.take(config_of(threads=2))
    assert two is not None
    assert two.environment(2)["OMP_NUM_THREADS"] == "2"
    pair = slots.take(config_of(devices=2))
    assert pair is not None
    assert slots.take(config_of()) is None
    slots.give_back(two)
    assert slots.take(config_of()) is not None
    assert Slots(cores=2).take(config_of(threads=8)) is not None, "one that wants more than there is runs alone"


def test_gpus_are_shared_out():
    slots = Slots(cores=8, gpus=["0", "1"] * 2)
    shares = [slots.take(config_of(accelerator="gpu")) for _ in range(5)]
    assert [share and share.gpus for share in shares] == [("0",), ("1",), ("0",), ("1",), None]
    assert shares[1].environment(1)["CUDA_VISIBLE_DEVICES"] == "1"
    cpu = slots.take(config_of())
    assert cpu.gpus == ()
    assert "CUDA_VISIBLE_DEVICES" not in cpu.environment(1)
    assert Slots(cores=2, gpus=["3", "5"]).take(config_of(devices=2, accelerator="gpu")).gpus == ("3", "5")


def search(*overrides: str) -> tuple[dict, dict]:
    return split(OverridesParser.create().parse_overrides(list(overrides)))


def test_what_is_searched():
    fixed, space = search(
        "data=ar2",
        "model/cell=rnn,gru",
        "a=range(1,9,2)",
        "b=interval(0.1,1)",
        "c=tag(log,interval(1e-4,1e-2))",
        "d=interval(4,64)",
        "e=tag(log,int(interval(4,64)))",
        "f=range(0.1,0.5,0.1)",
    )
    assert fixed == {"data": "ar2"}
    assert space == {
        "model/cell": CategoricalDistribution(("rnn", "gru")),
        "a": IntDistribution(1, 7, step=2),
        "b": FloatDistribution(0.1, 1),
        "c": FloatDistribution(1e-4, 1e-2, log=True),
        "d": FloatDistribution(4, 64),
        "e": IntDistribution(4, 64, log=True),
        "f": FloatDistribution(0.1, 0.4, step=0.1),
    }


def test_a_later_override_wins():
    assert search("a=1,2", "a=3") == ({"a": "3"}, {})


def test_what_cannot_be_searched_is_refused():
    with pytest.raises(ConfigurationError, match=r"cannot be searched; give choice"):
        search("a=shuffle(range(1,4))")


def test_every_value_and_bound_is_checked_beforehand():
    _, space = search("a=x,y,z", "b=interval(0,1)")
    assert corners(space) == [{"a": "x", "b": 0}, {"a": "y", "b": 0}, {"a": "z", "b": 0}, {"a": "x", "b": 1}]


@given(st.floats(min_value=1e-9, max_value=1e9))
def test_a_number_keeps_all_its_digits(value):
    ((_, text),) = [override.split("=") for override in overrides_of({"a": value})]
    assert float(yaml.safe_load(text)) == value or float(text) == value


def test_jobs_that_wait_for_a_launcher_are_queued_for_everybody(tmp_path):
    names = ("begun", "failed", "done", "new")
    add_jobs(tmp_path, [{"folder": name, "overrides": [], "swept": {}} for name in names])
    for name in names[:3]:
        JobFolder(tmp_path / name).write_config({})
    JobFolder(tmp_path / "failed").write_failure("no", 1)
    (tmp_path / "done" / "metrics.json").write_text('{"test": {"mse": 1.0}}')

    def states() -> list[str]:
        return [one.state.value for one in sweep_status(tmp_path)]

    alone = ["unfinished", "failed", "finished", "missing"]
    assert states() == alone
    with waiting_jobs(tmp_path) as waiting:
        waiting.write(names)
        assert states() == ["queued", "queued", "finished", "queued"]
        waiting.write(["begun"])
        assert states() == ["queued", *alone[1:]]
    assert states() == alone
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"begun", "failed", "done"}
    # A launcher that was killed holds no lock.
    (tmp_path / ".waiting-1").write_text("begun\n")
    assert states() == alone


INTERRUPTED = """
import multiprocessing, os, signal, sys, tempfile
from pathlib import Path
from recast.sweeps import worker

if __name__ == "__main__":
    came = []
    signal.signal(signal.SIGINT, lambda *_: came.append(1))
    worker.PRELOAD = ("slow_to_import",)
    if os.fork() == 0:
        import time
        while not Path("importing").exists():
            time.sleep(0.01)
        os.killpg(0, signal.SIGINT)
        os._exit(0)
    process = worker.start(Path("job"), Path("output"), {})
    process.join()
    print(came, signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ()))
"""


def test_an_interrupt_while_the_fork_server_imports_leaves_it_alive(tmp_path):
    """At a terminal it reaches the whole group, and the launcher alone decides."""
    slow = "import pathlib, time\npathlib.Path('importing').touch()\ntime.sleep(0.5)\n"
    (tmp_path / "slow_to_import.py").write_text(slow)
    (tmp_path / "program.py").write_text(INTERRUPTED)
    program = [sys.executable, "program.py"]
    done = subprocess.run(program, check=False, cwd=tmp_path, capture_output=True, text=True, start_new_session=True)
    assert done.stderr == ""
    assert done.stdout == "[1] False\n"

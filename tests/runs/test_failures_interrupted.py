"""Runs that are killed, stopped, diverge or find the disk full lose nothing: resume=true goes on bit for bit."""

import signal
from itertools import cycle
from pathlib import Path

import pytest
from commands import (
    QUICK,
    load,
    metrics_of,
    run,
    scratch,
    shared_run,
    start,
    strict_json,
    trained,
)
from interrupting import LONG, assert_same_run, in_training, interrupt_until_done, last_checkpoints

from recast.runs.checkpoints.restore import restore

CELLS = ("rnn", "gru", "lstm")
SCHEDULES = tuple(path.stem for path in sorted((Path(__file__).parents[2] / "conf/model/schedule").glob("*.yaml")))
QUICK_CHOICES = (
    ("model/cell=rnn", "model/schedule=linear", "learning_rate=plateau"),
    ("model/cell=lstm", "model/schedule=inverse_sigmoid", "model.layers=2", "model.dropout=0.3", "optimizer=sgd"),
    ("model/cell=gru", "model/schedule=constant", "model/head=gaussian", "model.mask_unit=sequence"),
)
# Every cell and every schedule, not every pair of them: neither's state knows the other.
ALL_CHOICES = tuple(
    (f"model/cell={cell}", f"model/schedule={schedule}", "model.layers=2", "model.dropout=0.2")
    for cell, schedule, _ in zip(cycle(CELLS), cycle(SCHEDULES), range(max(len(CELLS), len(SCHEDULES))), strict=False)
)


@pytest.mark.slow
@pytest.mark.parametrize(
    "choice",
    QUICK_CHOICES,
    ids=lambda choice: f"{choice[0][11:]}-{choice[1][15:]}",
)
def test_killed_and_resumed_is_as_if_never_killed(choice, tmp_path):
    options = (*LONG, *choice)
    killed = interrupt_until_done(options, tmp_path, number=signal.SIGKILL, seed=len(choice))
    assert_same_run(killed, shared_run(*options))


@pytest.mark.slow
@pytest.mark.parametrize("choice", ALL_CHOICES, ids=lambda choice: f"{choice[0][11:]}-{choice[1][15:]}")
def test_every_cell_and_schedule_killed_and_resumed(choice, tmp_path):
    options = (*LONG, *choice)
    killed = interrupt_until_done(options, tmp_path, number=signal.SIGKILL, seed=len("".join(choice)), times=5)
    assert_same_run(killed, shared_run(*options))


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)], ids=lambda number: number.name
)
def test_stopped_by_a_signal_and_resumed(number, tmp_path):
    options = (*LONG, *QUICK_CHOICES[0])
    stopped = interrupt_until_done(options, tmp_path, number=number, seed=3, times=2)
    assert_same_run(stopped, shared_run(*options))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=lambda number: number.name)
def test_a_signal_in_mid_training_saves_the_very_step(number, tmp_path):
    options = (*QUICK, "trainer.max_epochs=10000", "callbacks.last_checkpoint.every_n_steps=3")
    running = start("recast-train", *options, cwd=tmp_path)
    in_training(running, tmp_path)
    running.signal(number)
    done = running.wait()
    assert done.code == 143
    (path,) = last_checkpoints(tmp_path)
    step = load(path)["global_step"]
    assert done.err == (
        f"recast: {number.name} at step {step}: the state is saved; the same command with resume=true goes on\n"
    )
    assert not (path.parents[1] / "metrics.json").exists()
    assert not list(tmp_path.rglob(".*ckpt"))


def test_resume_without_an_earlier_run_starts_anew(tmp_path):
    done = run("recast-train", *QUICK, "resume=true", cwd=tmp_path)
    assert done.code == 0, done
    assert "no state to resume from" in done.out
    assert metrics_of(tmp_path / done.last_line) == metrics_of(shared_run(*QUICK))


@pytest.mark.slow
def test_resume_leaves_a_finished_run_alone(tmp_path):
    first = trained(*QUICK, cwd=tmp_path)
    second = trained(*QUICK, "resume=true", cwd=tmp_path)
    assert first != second
    assert metrics_of(first) == metrics_of(second)


@pytest.mark.slow
def test_a_finished_run_resumed_by_name_is_scored_again_not_trained(tmp_path):
    first = trained(*QUICK, cwd=tmp_path)
    expected, weights = metrics_of(first), (first / "checkpoints" / "last.ckpt").read_bytes()
    (first / "metrics.json").unlink()
    again = trained(*QUICK, "resume=true", cwd=tmp_path)
    assert again == first
    assert metrics_of(again) == expected
    assert (first / "checkpoints" / "last.ckpt").read_bytes() == weights


@pytest.fixture(scope="module")
def stopped_run(tmp_path_factory) -> Path:
    """A folder in which a run was killed."""
    cwd = tmp_path_factory.mktemp("stopped")
    options = (*LONG, "trainer.max_epochs=10000")
    running = start("recast-train", *options, "hydra.run.dir=outputs/a/b", cwd=cwd)
    in_training(running, cwd)
    running.signal(signal.SIGKILL)
    running.wait()
    return cwd


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ("model.cell.hidden_size=9", "model"),
        ("data.batch_size=16", "data"),
        ("data.source.seed=1", "data"),
        ("optimizer.lr=0.5", "optimizer"),
        ("learning_rate.warmup=0.2", "learning_rate"),
        ("trainer.max_epochs=4", "trainer"),
        ("seed=1", "seed"),
    ],
)
def test_resume_with_other_options_is_refused(change, part, stopped_run):
    before = load(stopped_run / "outputs/a/b/checkpoints/last.ckpt")["global_step"]
    options = (*LONG, "trainer.max_epochs=10000", "hydra.run.dir=outputs/a/b", "resume=true")
    done = run("recast-train", *options, change, cwd=stopped_run)
    assert done.code == 2, done
    assert "other options of" in done.err
    assert part in done.err.partition("options of ")[2].partition(";")[0]
    assert load(stopped_run / "outputs/a/b/checkpoints/last.ckpt")["global_step"] == before


@pytest.mark.slow
def test_resume_with_other_data_is_refused(tmp_path):
    def write(last: float) -> None:
        rows = [f"{2000 + month // 12}-{month % 12 + 1:02d}-01,{(7 * month) % 11}" for month in range(400)]
        (tmp_path / "data.csv").write_text("\n".join(["time,level", *rows[:-1], f"2033-04-01,{last}"]) + "\n")

    write(1.0)
    source = ["data=csv", "data.source.path=data.csv", "data.source.time=time", "data.source.targets=[level]"]
    sizes = ["data.source.step=MS", "data.windows.context=12", "data.windows.horizon=4", "data/grid=rows"]
    options = (*QUICK[2:], *source, *sizes, "trainer.max_epochs=10000", "callbacks.last_checkpoint.every_n_steps=3")
    running = start("recast-train", *options, cwd=tmp_path)
    in_training(running, tmp_path)
    running.signal(signal.SIGTERM)
    assert running.wait().code == 143
    write(2.0)
    done = run("recast-train", *options, "resume=true", cwd=tmp_path)
    assert done.code == 2, done
    assert "was trained on other data" in done.err


def test_a_diverging_run_names_step_and_origins_and_keeps_the_last_state(tmp_path):
    diverging = ("optimizer=sgd", "optimizer.lr=1e6", "learning_rate=constant", "trainer.gradient_clip_val=null")
    options = (*QUICK, *diverging, "trainer.max_epochs=200", "callbacks.last_checkpoint.every_n_steps=1")
    done = run("recast-train", *options, cwd=tmp_path)
    assert done.code == 1, done
    assert done.err.startswith("recast: the training loss is ")
    assert "Traceback" not in done.err
    assert "forecast origins lie in rows " in done.err
    (path,) = last_checkpoints(tmp_path)
    step = int(done.err.partition("at step ")[2].partition(";")[0])
    assert 0 < load(path)["global_step"] <= step
    assert restore(path).spec.horizon == 10
    assert not (path.parents[1] / "metrics.json").exists()


@pytest.mark.slow
def test_a_full_disk_leaves_the_old_state_and_resume_goes_on(small_disk, tmp_path):
    options = (*LONG, "trainer.max_epochs=12", f"paths.output_dir={small_disk}")
    running = start("recast-train", *options, cwd=tmp_path)
    running.wait_for(lambda: list(small_disk.glob("*/*/checkpoints/last.ckpt")))
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
        while True:
            file.write(bytes(1024))
    done = running.wait()
    assert done.code == 1, done
    assert "Traceback" not in done.err
    assert done.err.startswith("recast: ")
    assert "last.ckpt" in done.err
    (path,) = small_disk.glob("*/*/checkpoints/last.ckpt")
    assert {entry.name for entry in path.parent.iterdir()} <= {"best.ckpt", "last.ckpt"}
    saved = load(path)["global_step"]
    filler.unlink()
    done = run("recast-train", *options, "resume=true", cwd=tmp_path)
    assert done.code == 0, done
    assert f"at step {saved}" in done.out
    reference = trained(*LONG, "trainer.max_epochs=12", cwd=tmp_path / "reference")
    assert metrics_of(path.parents[1]) == metrics_of(reference)


# The launcher that runs jobs one after the other in its own process; that of recast: test_sweep_local.py.
BASIC = ("hydra/launcher=basic", "hydra.sweep.dir=sweep")


@pytest.mark.slow
def test_with_the_basic_launcher_one_failing_job_spares_the_others(tmp_path):
    done = run("recast-train", "-m", *QUICK, *BASIC, "data.windows.context=2000,20", cwd=tmp_path)
    assert done.code == 2, done
    assert "too short" in done.err
    assert "Traceback" not in done.err
    (found,) = tmp_path.glob("sweep/*/metrics.json")
    assert found.parent.name == "1"
    assert metrics_of(found.parent) == metrics_of(shared_run(*QUICK, "data.windows.context=20"))


def test_a_signal_ends_a_sweep_of_the_basic_launcher(tmp_path):
    options = ("trainer.max_epochs=10000", "callbacks.last_checkpoint.every_n_steps=3", "seed=0,1")
    running = start("recast-train", "-m", *QUICK, *BASIC, *options, cwd=tmp_path)
    running.wait_for(lambda: list(tmp_path.glob("sweep/0/checkpoints/last.ckpt")))
    running.signal(signal.SIGTERM)
    done = running.wait()
    assert done.code == 143, done
    assert "the state is saved" in done.err
    assert not (tmp_path / "sweep" / "1").exists()


def test_strict_json_refuses_nan(tmp_path):
    (tmp_path / "a.json").write_text('{"mse": NaN}')
    with pytest.raises(ValueError, match="NaN is no JSON"):
        strict_json(tmp_path / "a.json")


def test_scratch_is_one_folder():
    assert scratch() == scratch()

"""Imputation as a user runs it: a complete run, killed and resumed; a checkpoint scored again, and a file filled."""

import shutil
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from commands import Done, assert_same_weights, load, metrics_of, run, scratch, start, strict_json, trained
from PIL import Image

from recast.data.prepare.storage import stored
from recast.runs.impute import load as load_filler

ROWS, MISSING_STAMPS = 400, [50, 51, 300]


def table() -> pd.DataFrame:
    stamps = pd.date_range("2024-01-01", periods=ROWS, freq="h")
    steps, random = np.arange(ROWS) / 4, np.random.default_rng(0)
    frame = pd.DataFrame({"a": np.sin(steps) + 5, "b": 10 * np.cos(steps)}, index=stamps).round(3)
    frame = frame.mask(random.random(frame.shape) < 0.1)
    frame.iloc[200:220, 1] = np.nan
    return frame


@pytest.fixture(scope="session")
def gaps() -> Path:
    path = scratch() / "gaps.csv"
    table().drop(index=table().index[MISSING_STAMPS]).to_csv(path, index_label="time")
    return path


@pytest.fixture(scope="session")
def options(gaps) -> tuple[str, ...]:
    return (
        *("task=imputation", "data=csv_gaps", f"data.source.path={gaps}", "data.source.time=time"),
        *("data.source.targets=[a,b]", "data.steps=16", "data.stride=8", "data.batch_size=8"),
        *("data.split.validation=0.2", "model.cell.hidden_size=6", "trainer.max_epochs=2"),
        *("callbacks.progress_bar=null", "callbacks.last_checkpoint.every_n_steps=1", "optimizer.lr=0.01"),
    )


@pytest.fixture(scope="session")
def folder(options) -> Path:
    return trained(*options, "hydra.run.dir=run", cwd=scratch() / "imputed")


@pytest.fixture(scope="session")
def moved(folder) -> Path:
    """The checkpoint alone, elsewhere."""
    (scratch() / "moved_imputer").mkdir(exist_ok=True)
    return Path(shutil.copy(folder / "checkpoints" / "best.ckpt", scratch() / "moved_imputer" / "model.ckpt"))


def assert_refused(done: Done, *says: str) -> None:
    assert done.code == 2, done
    assert "Traceback" not in done.err
    for words in says:
        assert words in done.err


def test_the_run_folder_is_complete(folder):
    found = strict_json(folder / "metrics.json")
    assert set(found["test"]) == {"mae", "scaled_mae", "rmse", "scaled_mse"}
    assert set(found["baselines"]) == {"fill_mean", "fill_last", "fill_linear"}
    assert found["removed"] > 5
    assert found["removal"] == {"form": "points", "share": 0.1, "seed": 0}
    assert found["windows"]["test"] == 5
    assert (folder / "figures" / "imputation.png").stat().st_size > 1000
    rows = pd.read_csv(folder / "metrics.csv", index_col="filled by")
    assert rows.loc["model"].to_dict() == pytest.approx(found["test"])
    columns = pd.read_csv(folder / "per_column.csv", index_col="filled by")
    assert list(columns) == ["a", "b"]
    assert columns.loc["model"].tolist() == pytest.approx(found["test_per_column"]["scaled_mae"])


@pytest.mark.slow
def test_a_killed_run_goes_on(options, folder):
    cwd = scratch() / "killed_imputer"
    running = start("recast-train", *options, "hydra.run.dir=run", cwd=cwd)
    last = cwd / "run" / "checkpoints" / "last.ckpt"
    running.wait_for(last.exists)
    running.signal(signal.SIGKILL)
    running.wait()
    resumed = trained(*options, "hydra.run.dir=run", "resume=true", cwd=cwd)
    assert_same_weights(resumed / "checkpoints" / "last.ckpt", folder / "checkpoints" / "last.ckpt")
    for same in ("test", "baselines", "removed"):
        assert metrics_of(resumed)[same] == metrics_of(folder)[same]


def test_a_checkpoint_is_scored_again_as_it_was(folder, tmp_path):
    done = run("recast-evaluate", f"checkpoint={folder / 'checkpoints/best.ckpt'}", "output=scored", cwd=tmp_path)
    assert done.code == 0, done
    again = strict_json(tmp_path / "scored" / "metrics.json")
    assert again["test"] == pytest.approx(metrics_of(folder)["test"])
    assert again["baselines"] == metrics_of(folder)["baselines"]


def test_another_file_is_the_test_part(moved, tmp_path):
    table().iloc[:160].to_csv(tmp_path / "other.csv", index_label="time")
    done = run("recast-evaluate", f"checkpoint={moved}", "path=other.csv", "output=scored", cwd=tmp_path)
    assert done.code == 0, done
    assert strict_json(tmp_path / "scored" / "metrics.json")["windows"] == {"train": 0, "validation": 0, "test": 10}


def test_only_what_is_missing_is_filled(moved, gaps, tmp_path):
    done = run(
        "recast-impute", f"checkpoint={moved}", f"input={gaps}", "output=filled.csv", "figure=a.png", cwd=tmp_path
    )
    assert done.code == 0, done
    assert done.out.splitlines()[-2:] == ["a.png", "filled.csv"]
    pixels = np.asarray(Image.open(tmp_path / "a.png").convert("L"))
    assert min(pixels.shape) > 200
    assert pixels.std() > 5
    found = pd.read_csv(tmp_path / "filled.csv", index_col="time", parse_dates=True, keep_default_na=False)
    before = table()
    before.iloc[MISSING_STAMPS] = np.nan
    assert (found.index == before.index).all()
    assert list(found) == ["a", "b", "filled"]
    missing = before.isna()
    assert missing.any().all()
    assert found["filled"].tolist() == [";".join(before.columns[row]) for row in missing.to_numpy()]
    for name in before:
        values = found[name].astype(float)
        assert values[~missing[name]].tolist() == before[name][~missing[name]].tolist()
        assert np.isfinite(values).all()
        assert values[missing[name]].nunique() > 10


def test_each_value_comes_from_the_window_in_whose_middle_it_lies(moved, gaps):
    filler = load_filler(moved)
    found = filler.fill(filler.source.load(str(gaps)))
    storage = stored(found.series, filler.spec)
    # Row 204 is the 13th of the window from row 192 on, the 5th of that from 200 on.
    with torch.no_grad():
        scaled = filler.model(storage.windows(torch.tensor([200]), 16, 0)).mean[0, 4, 1].item()
    assert found.values[204, 1] == pytest.approx(scaled * filler.spec.scale[1] + filler.spec.offset[1])


def test_what_cannot_be_filled_is_refused_and_nothing_written(moved, gaps, tmp_path):
    frame = table().rename_axis("time")
    frame.rename(columns={"a": "c"}).to_csv(tmp_path / "renamed.csv")
    frame.set_axis(frame.index.where(frame.index != frame.index[9], frame.index[9] + pd.Timedelta("7min"))).to_csv(
        tmp_path / "off.csv"
    )
    for name, says in (
        ("renamed.csv", "no column 'a'"),
        ("off.csv", "lies off the grid"),
        ("absent.csv", "absent.csv"),
    ):
        done = run("recast-impute", f"checkpoint={moved}", f"input={name}", "output=filled.csv", cwd=tmp_path)
        assert_refused(done, says)
    assert_refused(
        run("recast-impute", f"checkpoint={moved}", "input=off.csv", "output=off.csv", cwd=tmp_path),
        "the same file as input",
    )
    assert_refused(run("recast-impute", f"checkpoint={moved}", cwd=tmp_path), "input", "output")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["off.csv", "renamed.csv"]


def test_other_commands_say_that_it_does_not_forecast(moved, gaps, tmp_path):
    done = run("recast-forecast", f"checkpoint={moved}", f"input={gaps}", "output=out.csv", cwd=tmp_path)
    assert_refused(done, "Brits, which does not forecast")
    assert load(moved)["state_dict"]

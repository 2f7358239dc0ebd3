"""Imputation as a user runs it: a complete run, killed and resumed; a checkpoint scored again, and a file filled."""

import shutil
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from commands import Done, assert_same_weights, load, metrics_of, run, scratch, start, strict_json, trained
from gap_files import MISSING_STAMPS, gap_file, gap_options, gap_run, gap_table
from PIL import Image

from recast.data.prepare.storage import stored
from recast.runs.impute import load as load_filler


@pytest.fixture(scope="session")
def folder() -> Path:
    return gap_run()


@pytest.fixture(scope="session")
def gaps() -> Path:
    return gap_file()


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
    assert set(found["baselines"]) == {
        *("fill_mean", "fill_last", "fill_linear"),
        *("fill_seasonal", "fill_harmonic", "fill_kalman"),
    }
    # Some sixteen values were removed from validation windows: too few for a band.
    assert found["bands"] == {}
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
def test_a_killed_run_goes_on(folder):
    cwd = scratch() / "killed_imputer"
    running = start(
        "recast-train", "model=brits", *gap_options(), "data.split.validation=0.2", "hydra.run.dir=run", cwd=cwd
    )
    last = cwd / "run" / "checkpoints" / "last.ckpt"
    running.wait_for(last.exists)
    running.signal(signal.SIGKILL)
    running.wait()
    resumed = trained(
        *("model=brits", *gap_options(), "data.split.validation=0.2", "hydra.run.dir=run", "resume=true"), cwd=cwd
    )
    assert_same_weights(resumed / "checkpoints" / "last.ckpt", folder / "checkpoints" / "last.ckpt")
    again, before = metrics_of(resumed), metrics_of(folder)
    for found in (again, before):
        assert found["baselines"].pop("fill_kalman")["mae"] < 0.01
    for same in ("test", "baselines", "removed", "bands"):
        assert again[same] == before[same]


def test_a_checkpoint_is_scored_again_as_it_was(folder, tmp_path):
    done = run("recast-evaluate", f"checkpoint={folder / 'checkpoints/best.ckpt'}", "output=scored", cwd=tmp_path)
    assert done.code == 0, done
    again = strict_json(tmp_path / "scored" / "metrics.json")
    assert again["test"] == pytest.approx(metrics_of(folder)["test"])
    before = metrics_of(folder)["baselines"]
    # Its likelihood has no maximum for an oscillation without noise: where the search ends hangs on the last digits.
    smoothed = [found.pop("fill_kalman")["mae"] for found in (again["baselines"], before)]
    assert max(smoothed) < 0.01
    assert again["baselines"] == before


def test_another_file_is_the_test_part(moved, tmp_path):
    gap_table().iloc[:160].to_csv(tmp_path / "other.csv", index_label="time")
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
    before = gap_table()
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


@pytest.fixture(scope="session")
def banded() -> Path:
    """A run with enough values removed from validation windows, of the network that stands on the line."""
    # First: the cell's options are those of the model that is chosen.
    model = ("model=bidirectional_imputer", "model.layers=1", "data.split.validation=0.5", "data.removal.share=0.5")
    return trained(*model, *gap_options(), "hydra.run.dir=run", cwd=scratch() / "banded")


@pytest.mark.slow
def test_intervals_are_those_of_the_errors_at_removed_values(banded, gaps, tmp_path):
    found = metrics_of(banded)
    assert set(found["bands"]) >= {"0.5", "0.8"}
    assert 0 < found["bands"]["0.5"]["coverage"] < found["bands"]["0.8"]["coverage"] <= 1
    assert 0 < found["bands"]["0.5"]["width"] < found["bands"]["0.8"]["width"]
    checkpoint = banded / "checkpoints" / "best.ckpt"
    evaluated = run("recast-evaluate", f"checkpoint={checkpoint}", "output=scored", cwd=tmp_path)
    assert evaluated.code == 0, evaluated
    again = strict_json(tmp_path / "scored" / "metrics.json")["bands"]
    assert {level: again[level]["coverage"] for level in again} == {
        level: band["coverage"] for level, band in found["bands"].items()
    }
    done = run(
        *("recast-impute", f"checkpoint={checkpoint}", f"input={gaps}", "output=filled.csv", "levels=[0.5,0.8]"),
        "figure=filled.png",
        cwd=tmp_path,
    )
    assert done.code == 0, done
    assert "farther than any of validation" in done.err
    table = pd.read_csv(tmp_path / "filled.csv", index_col="time", parse_dates=True)
    names = [f"{name}_{end}_{level}" for level in (50, 80) for name in "ab" for end in ("lower", "upper")]
    assert list(table) == ["a", "b", *names, "filled"]
    for name in "ab":
        filled = table["filled"].fillna("").str.contains(name)
        inner = table[[f"{name}_lower_50", f"{name}_upper_50"]]
        outer = table[[f"{name}_lower_80", f"{name}_upper_80"]]
        assert inner[filled].notna().all(axis=None)
        assert outer[~filled].isna().all(axis=None)
        assert (outer.iloc[:, 0] <= inner.iloc[:, 0])[filled].all()
        assert (inner.iloc[:, 1] <= outer.iloc[:, 1])[filled].all()
        assert inner[filled].mean(axis=1).to_numpy() == pytest.approx(table[name][filled].to_numpy())


@pytest.mark.slow
def test_inputs_and_the_tide_are_read_from_the_file_and_its_stamps(tmp_path):
    frame = gap_table().rename_axis("time")
    frame["w"] = np.arange(len(frame)) % 5.0
    frame.to_csv(tmp_path / "gaps.csv")
    folder = trained(
        *("model=bidirectional_imputer", "data/features=[calendar,fitted_tide]", "model.course=tide", "model.layers=1"),
        "data.features.tide.constituents=[O1,M2]",
        *(*gap_options(), "data.source.path=gaps.csv", "data.source.known=[w]", "data.split.validation=0.2"),
        "hydra.run.dir=run",
        cwd=tmp_path,
    )
    assert len(metrics_of(folder)["test_per_column"]["mae"]) == 2
    checkpoint = folder / "checkpoints" / "best.ckpt"
    done = run("recast-impute", f"checkpoint={checkpoint}", "input=gaps.csv", "output=filled.csv", cwd=tmp_path)
    assert done.code == 0, done
    found = pd.read_csv(tmp_path / "filled.csv", index_col="time", parse_dates=True)
    assert list(found) == ["a", "b", "filled"]
    assert np.isfinite(found[["a", "b"]]).all(axis=None)
    # Another course of the input changes what is filled, and nothing else.
    frame.assign(w=4.0 - frame["w"]).to_csv(tmp_path / "other.csv")
    run("recast-impute", f"checkpoint={checkpoint}", "input=other.csv", "output=other_filled.csv", cwd=tmp_path)
    other = pd.read_csv(tmp_path / "other_filled.csv", index_col="time", parse_dates=True)
    missing = frame[["a", "b"]].isna()
    changed = other[["a", "b"]] != found[["a", "b"]]
    assert (changed & missing).any(axis=None)
    assert not (changed & ~missing).any(axis=None)
    frame.drop(columns="w").to_csv(tmp_path / "without.csv")
    done = run("recast-impute", f"checkpoint={checkpoint}", "input=without.csv", "output=none.csv", cwd=tmp_path)
    assert_refused(done, "without.csv", "'w'")
    assert not (tmp_path / "none.csv").exists()


def test_intervals_that_cannot_be_are_refused(banded, gaps, tmp_path):
    done = run(
        *("recast-impute", f"checkpoint={banded / 'checkpoints' / 'best.ckpt'}", f"input={gaps}", "output=filled.csv"),
        "levels=[0.9999]",
        cwd=tmp_path,
    )
    assert_refused(done, "levels: the removed values of validation are too few for a band of 0.9999")
    assert not list(tmp_path.iterdir())


def test_each_value_comes_from_the_window_in_whose_middle_it_lies(moved, gaps):
    filler = load_filler(moved)
    found = filler.fill(filler.source.load(str(gaps)))
    storage = stored(found.series, filler.spec)
    # Row 204 is the 13th of the window from row 192 on, the 5th of that from 200 on.
    with torch.no_grad():
        scaled = filler.model(storage.windows(torch.tensor([200]), 16, 0)).mean[0, 4, 1].item()
    assert found.values[204, 1] == pytest.approx(scaled * filler.spec.scale[1] + filler.spec.offset[1])


def test_what_cannot_be_filled_is_refused_and_nothing_written(moved, gaps, tmp_path):
    frame = gap_table().rename_axis("time")
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

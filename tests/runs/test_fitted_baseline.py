"""Baselines of a run as forecasters: what they were scored as, with the band of their own errors."""

import logging
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import scratch

import recast
from recast.cli.forecast import forecast as command
from recast.errors import CheckpointError, ConfigurationError, DataError, RecastError
from recast.runs.baseline_forecaster import BaselineForecaster
from recast.runs.configure import folders
from recast.runs.configure.compose import compose
from recast.runs.evaluate import evaluate

CONTEXT, HORIZON, ROWS = 12, 4, 400
OPTIONS = (
    f"data.windows.context={CONTEXT}",
    f"data.windows.horizon={HORIZON}",
    "data.split.validation=0.25",
    "data.split.test=0.25",
    "model.cell.hidden_size=3",
    "trainer.max_epochs=1",
    "callbacks.progress_bar=null",
    "callbacks.figures=null",
    "logger=none",
    "baselines=series",
)
TRAIN, VALIDATION = 200, 300


def walk(rows: int = ROWS) -> pd.DataFrame:
    """A random walk and another one, hourly."""
    steps = np.random.default_rng(0).normal(size=(rows, 2))
    times = pd.date_range("2024-01-01", periods=rows, freq="h")
    return pd.DataFrame({"time": times, "level": steps[:, 0].cumsum(), "other": 50 + 3 * steps[:, 1].cumsum()})


def data_of(path: Path) -> list[str]:
    return ["data=csv", f"data.source.path={path}", "data.source.time=time", "data.source.targets=[level,other]"]


@pytest.fixture(scope="module")
def run() -> recast.Run:
    path = scratch() / "walk.csv"
    walk().to_csv(path, index=False)
    return recast.fit(overrides=[*data_of(path), *OPTIONS], folder=scratch() / "walk")


def test_the_last_value_goes_on_with_the_quantiles_of_its_errors(run):
    later = walk().iloc[:350]
    found = recast.load(run.folder, baseline="last_value").forecast(later, levels=(0.8,))
    assert found.columns.tolist() == [
        *("time", "level", "level_lower_80", "level_upper_80", "other", "other_lower_80", "other_upper_80"),
    ]
    assert found["time"].tolist() == list(pd.date_range(later["time"].iloc[-1], periods=HORIZON + 1, freq="h")[1:])
    for name in ("level", "other"):
        values = walk()[name].to_numpy()
        last = values[349]
        assert found[name].tolist() == [last] * HORIZON
        origins = np.arange(TRAIN + CONTEXT - 1, VALIDATION - HORIZON)
        for lead, row in enumerate(found.itertuples(), start=1):
            errors = values[origins + lead] - values[origins]
            ends = last + np.quantile(errors, [0.1, 0.9], method="weibull")
            np.testing.assert_allclose([getattr(row, f"{name}_lower_80"), getattr(row, f"{name}_upper_80")], ends)


@pytest.mark.parametrize("name", ["drift", "mean", "ridge"])
def test_a_baseline_forecasts_what_it_was_scored_on(run, name):
    """Its errors from each test window, by the forecaster, have the mean of metrics.json."""
    forecaster = recast.load(run.folder / "checkpoints" / "best.ckpt", baseline=name)
    assert isinstance(forecaster, BaselineForecaster)
    assert name in repr(forecaster)
    frame, squares = walk(), []
    for stop in range(VALIDATION + CONTEXT, ROWS - HORIZON + 1):
        found = forecaster.forecast(frame.iloc[stop - CONTEXT : stop], levels=())
        squares.append(
            (found[["level", "other"]].to_numpy() - frame[["level", "other"]].iloc[stop : stop + HORIZON]) ** 2
        )
    assert np.mean(squares) == pytest.approx(run.metrics["baselines"][name]["mse"], rel=1e-6)


def test_best_is_the_best_on_the_validation_windows(run, caplog):
    """Whatever the test part says."""
    caplog.set_level(logging.INFO, "recast")
    validated = evaluated(run)
    first = run.metrics["skill"]["best"]["metric"]
    best = min(validated, key=lambda name: validated[name][first])
    frame = walk()
    pd.testing.assert_frame_equal(
        recast.load(run.folder, baseline="best").forecast(frame), recast.load(run.folder, baseline=best).forecast(frame)
    )
    windows = VALIDATION - TRAIN - CONTEXT - HORIZON + 1
    assert f"baseline=best is {best}, by {first} on {windows} validation windows" in caplog.text


def evaluated(run: recast.Run) -> dict[str, dict[str, float]]:
    """The scores of the baselines on the validation part, by recast-evaluate."""
    folders.register()
    words = [f"checkpoint={run.folder}/checkpoints/best.ckpt", "split=validation", "baselines=series"]
    return {name: found.overall for name, found in evaluate(compose("evaluate", words)).baselines.items()}


def test_best_on_the_test_part_without_validation_is_said(tmp_path, caplog):
    path = tmp_path / "walk.csv"
    walk().to_csv(path, index=False)
    words = [*data_of(path), *OPTIONS, "data.split.validation=0"]
    done = recast.fit(overrides=words, folder=tmp_path / "run")
    best = done.metrics["skill"]["best"]["baseline"]
    found = recast.load(done.folder, baseline="best")
    assert repr(best)[1:-1] in repr(found)
    assert f"baseline=best is {best}, by the test score: the run has no validation windows" in caplog.text
    (tmp_path / "run" / "metrics.json").unlink()
    with pytest.raises(ConfigurationError, match=r"names no best baseline; name the one to forecast with"):
        recast.load(done.folder, baseline="best")


def test_another_horizon_is_fitted_anew(run):
    forecaster = recast.load(run.folder, baseline="ridge")
    longer = forecaster.forecast(walk(), horizon=9)
    assert len(longer) == 9
    pd.testing.assert_frame_equal(longer.head(HORIZON), forecaster.forecast(walk()), rtol=0.3)
    with pytest.raises(ConfigurationError, match="horizon=0"):
        forecaster.forecast(walk(), horizon=0)
    with pytest.raises(DataError, match="no window"):
        forecaster.forecast(walk(), horizon=250)


def test_the_command_gives_the_table_of_the_program(run, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    walk().to_csv("new.csv", index=False)
    command([f"run={run.folder}", "baseline=ridge", "input=new.csv", "output=out.csv", "levels=[0.5,0.9]"])
    assert capsys.readouterr().out == "out.csv\n"
    found = pd.read_csv("out.csv", parse_dates=["time"])
    expected = recast.load(run.folder, baseline="ridge").forecast(walk(), levels=(0.5, 0.9))
    pd.testing.assert_frame_equal(found, expected.astype(found.dtypes.to_dict()))
    # Without a baseline, the run's best state.
    for place in (f"run={run.folder}", f"checkpoint={run.folder}/checkpoints/best.ckpt"):
        command([place, "input=new.csv", f"output={place[:3]}.csv"])
    assert Path("run.csv").read_text() == Path("che.csv").read_text()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["run={run}", "baseline=ridge_"], r"baseline=ridge_: .* has no such baseline; did you mean ridge"),
        (["run=nowhere", "baseline=ridge"], "run=nowhere: no such folder"),
        (["baseline=ridge"], "found none, expected one of them: checkpoint="),
        (["run={run}", "checkpoint={run}/checkpoints/best.ckpt"], "found both"),
        (["run=.", "baseline=ridge"], "a baseline needs the folder of its run: run=FOLDER"),
        (["run={run}", "baseline=ridge", "known=new.csv"], "reads no columns known ahead"),
        (["run={run}", "baseline=ridge", "levels=[0.999]"], "up to level 0.97.*longer validation part"),
    ],
)
def test_what_cannot_be_is_one_line(options, says, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    walk().to_csv("new.csv", index=False)
    with pytest.raises(RecastError, match=says) as error:
        command([*(option.format(run=run.folder) for option in options), "input=new.csv", "output=out.csv"])
    assert "\n" not in str(error.value)
    assert error.value.exit_code == 2
    assert not Path("out.csv").exists()


def moved(run: recast.Run, folder: Path) -> Path:
    """The run without its data."""
    shutil.copytree(run.folder, folder)
    config = folder / "config.yaml"
    config.write_text(config.read_text().replace(str(scratch() / "walk.csv"), str(folder / "gone.csv")))
    return folder


def test_data_that_are_gone_or_changed(run, tmp_path):
    folder = moved(run, tmp_path / "run")
    with pytest.raises(DataError, match=r"baseline=ridge is fitted again on the data of the training: .*gone\.csv"):
        recast.load(folder, baseline="ridge")
    recast.load(folder).forecast(walk())
    walk(390).to_csv(folder / "gone.csv", index=False)
    with pytest.raises(DataError, match=r"gone\.csv has changed since then"):
        recast.load(folder, baseline="ridge")
    walk().to_csv(folder / "gone.csv", index=False)
    assert len(recast.load(folder, baseline="ridge").forecast(walk())) == HORIZON


def test_a_run_on_a_frame_says_what_to_do(tmp_path):
    done = recast.fit(walk(), time="time", targets=["level"], overrides=OPTIONS, folder=tmp_path / "run")
    with pytest.raises(DataError, match="trained on a frame of a program, which no file holds; train on a file"):
        recast.load(done.folder, baseline="ridge")
    (tmp_path / "run" / "config.yaml").write_text("data: 3")
    with pytest.raises(CheckpointError, match="not the configuration of a run"):
        recast.load(done.folder, baseline="ridge")

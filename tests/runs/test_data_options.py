"""Options of a checkpoint's data that are changed to read another file: advice that messages give can be followed."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from commands import QUICK, run, scratch, trained

import recast
from recast.errors import ConfigurationError, DataError
from recast.runs.checkpoints.data_options import changed
from recast.runs.configure import folders
from recast.runs.configure.compose import compose
from recast.runs.configure.flat import compose_data
from recast.runs.evaluate import evaluate
from recast.runs.gradients import measure_gradients

CONTEXT, HORIZON = 24, 6
SMALL = [option for option in QUICK if not option.startswith("data")]


def gauge(rows: int = 400) -> pd.DataFrame:
    """A level and a pressure, hourly."""
    rng = np.random.default_rng(0)
    level = np.sin(np.arange(rows) * 2 * np.pi / 12.42) + 0.1 * rng.normal(size=rows)
    times = pd.date_range("2021-01-04", periods=rows, freq="h")
    return pd.DataFrame({"time": times, "level": level.round(3), "press": (1013 + rng.normal(size=rows)).round(3)})


@pytest.fixture(scope="module")
def checkpoint() -> Path:
    """Trained on the gauge."""
    folder = scratch() / "data_options"
    folder.mkdir()
    gauge().to_csv(folder / "gauge.csv", index=False)
    data = ["data=csv", "data.source.path=gauge.csv", "data.source.time=time", "data.source.targets=[level]"]
    windows = [f"data.windows.context={CONTEXT}", f"data.windows.horizon={HORIZON}"]
    path = trained(*SMALL, *data, "data.source.past=[press]", *windows, "baselines=none", cwd=folder)
    return path / "checkpoints" / "best.ckpt"


def evaluation(checkpoint: Path, *overrides: str, command: str = "evaluate") -> Any:
    folders.register()
    words = [f"++{word}" if word.startswith("data.") else word for word in overrides]
    given = [f"checkpoint={checkpoint}", *words]
    if command == "gradients":
        return measure_gradients(compose(command, [*given, "windows=2", "jacobian_windows=1", "jacobian_steps=2"]))
    return evaluate(compose(command, [*given, "baselines=none"]))


def test_the_last_input_was_not_observed(checkpoint, tmp_path, caplog):
    """The advice of the refusal is followed, and the forecast begins where the model can."""
    table = gauge()
    table.loc[table.index[-1], "press"] = np.nan
    table.to_csv(tmp_path / "tail.csv", index=False)
    words = [f"checkpoint={checkpoint}", "input=tail.csv", "output=out.csv"]
    done = run("recast-forecast", *words, cwd=tmp_path)
    assert done.code == 2
    assert "data.source.missing=[nan]" in done.err
    done = run("recast-forecast", *words, "data.source.missing=[nan]", cwd=tmp_path)
    assert done.code == 0, done
    assert "the last 1 row(s) lack a value that the model reads" in done.err
    found = pd.read_csv(tmp_path / "out.csv", parse_dates=["time"])
    assert found["time"].iloc[0] == table["time"].iloc[-1]
    expected = recast.load(checkpoint).forecast(table.iloc[:-1])
    np.testing.assert_allclose(found["level"], expected["level"], rtol=1e-5)


def test_a_gap_long_before_the_context_does_not_matter(checkpoint):
    table, forecaster = gauge(), recast.load(checkpoint)
    expected = forecaster.forecast(table)
    pd.testing.assert_frame_equal(forecaster.forecast(table.drop(index=[40, 41])), expected)
    with pytest.raises(DataError, match="not regular: 2 stamps"):
        forecaster.forecast(table.drop(index=[390, 391]))


def test_another_grid_fills_a_gap_in_the_context(checkpoint):
    table = gauge()
    table.loc[[390, 391], ["level", "press"]] = table.loc[[389, 392], ["level", "press"]].to_numpy()
    table.loc[389:392, ["level", "press"]] = np.linspace(*table.loc[[389, 392], ["level", "press"]].to_numpy(), 4)
    expected = recast.load(checkpoint).forecast(table)
    forecaster = recast.load(checkpoint, overrides=["data/grid=interpolate", "data.grid.max_steps=2"])
    found = forecaster.forecast(table.drop(index=[390, 391]))
    np.testing.assert_allclose(found["level"], expected["level"], rtol=1e-5)
    with pytest.raises(DataError, match=r"8 rows after the last gap.*data/grid=interpolate"):
        recast.load(checkpoint, overrides=["data/grid=split"]).forecast(table.drop(index=[390, 391]))


def test_a_sentinel_that_the_training_had_not(checkpoint):
    table = gauge()
    table.loc[50, "level"] = -9999
    with pytest.raises(DataError, match=r"data\.source\.missing=\[-9999\]"):
        recast.load(checkpoint).forecast(table)
    forecaster = recast.load(checkpoint, overrides=["data.source.missing=[-9999]"])
    pd.testing.assert_frame_equal(forecaster.forecast(table), recast.load(checkpoint).forecast(gauge()))


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("data.source.mising=[1]", r"^data\.source\.mising: no such option of .*did you mean missing"),
        ("data.source.step=foo", "step='foo' is unknown"),
        ("data.grid.max_steps=2", r"^data\.grid\.max_steps: no such option"),
        ("data/grid=nine", r"data/grid=nine: no such choice.*interpolate, mask"),
        ("data.windows.context=3", r"^data\.windows: .*it has: source, grid"),
        ("data.source.missing=[1", "input should be a valid list"),
        ("data.source.missing=[1", r"^data\.source\.missing='\[1': input should be a valid list"),
        ("samples=3", "expected options of the data"),
    ],
)
def test_what_cannot_be_changed_is_said(override, says, checkpoint):
    with pytest.raises(ConfigurationError, match=says):
        recast.load(checkpoint, overrides=[override])


def test_scoring_another_file(checkpoint, tmp_path):
    table = gauge()
    table.loc[table.index[-1], "press"] = np.nan
    table.drop(index=[100, 101]).to_csv(tmp_path / "gap.csv", index=False)
    path = f"path={tmp_path / 'gap.csv'}"
    with pytest.raises(DataError, match=r"data\.source\.missing=\[nan\]"):
        evaluation(checkpoint, path)
    read = [path, "data.source.missing=[nan]", "data/grid=split"]
    whole = evaluation(checkpoint, *read)
    # 397 complete rows; a fifth of them, without a gap.
    assert whole.windows["test"] == 79 - CONTEXT - HORIZON + 1
    assert evaluation(checkpoint, *read, "data.split.test=0.5").windows["test"] > whole.windows["test"]
    assert evaluation(checkpoint, *read, command="gradients").windows == 2
    with pytest.raises(ConfigurationError, match="leave context and horizon out"):
        evaluation(checkpoint, *read, "data.windows.context=3")
    done = run("recast-evaluate", f"checkpoint={checkpoint}", "baselines=none", *read, cwd=tmp_path)
    assert done.code == 0, done


def test_a_part_without_windows_is_not_scored(checkpoint, tmp_path):
    gauge().to_csv(tmp_path / "later.csv", index=False)
    read = [f"path={tmp_path / 'later.csv'}", "data.split.test=0"]
    for command in ("evaluate", "gradients"):
        with pytest.raises(ConfigurationError, match=r"^split=test: this part has no windows; windows by part: train"):
            evaluation(checkpoint, *read, "split=test", command=command)


def test_the_parts_of_the_training_stay(checkpoint, monkeypatch):
    with pytest.raises(ConfigurationError, match=r"^data\.split: .*for another file \(path=\)"):
        evaluation(checkpoint, "data.split.test=0.5")
    monkeypatch.chdir(checkpoint.parents[4])
    assert evaluation(checkpoint, "data/grid=split").model.overall == evaluation(checkpoint).model.overall


def test_a_part_is_merged_or_replaced():
    data = {"source": {"_target_": "a.B", "missing": None, "step": "h"}, "grid": {"_target_": "a.C", "x": 1}}
    given = compose_data(["data.source.missing=[nan, -1]", "data/grid=split"])
    found = changed(data, given)
    assert found["source"]["step"] == "h"
    assert np.isnan(found["source"]["missing"][0])
    assert found["grid"] == {"_target_": "recast.data.prepare.grid.SplitGrid", "most": 0.5}
    assert found["grid"]["_target_"] == "recast.data.prepare.grid.SplitGrid"
    assert "x" not in found["grid"]
    assert data["source"]["missing"] is None

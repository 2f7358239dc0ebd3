"""The front door: fit, load, forecast and compose in Python, with frames in and frames out."""

import json
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from commands import python, run, scratch, trained
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from small_gauge import QUICK

import recast
from recast.data.sources.csv_file import CsvSource
from recast.data.sources.frame import FrameSource, FrameTable
from recast.errors import CheckpointError, ConfigurationError, DataError, RecastError


def loads(rows: int = 300, **options: object) -> pd.DataFrame:
    """A daily wave and a weekday, hourly."""
    times = pd.date_range("2024-01-01", periods=rows, freq="h", **options)
    wave = 10 + np.sin(np.arange(rows) * 2 * np.pi / 24) + 0.1 * np.random.default_rng(0).normal(size=rows)
    return pd.DataFrame({"when": times, "load": wave, "day": times.day_name()})


@pytest.fixture(scope="module")
def fitted() -> recast.Run:
    """A run with a band."""
    words = [*QUICK, "model/head=gaussian"]
    return recast.fit(loads(), time="when", targets=["load"], overrides=words, folder=scratch() / "fitted")


@pytest.fixture(scope="module")
def by_file() -> recast.Run:
    """A run on a file, with which its baselines can be fitted again."""
    path = scratch() / "loads.csv"
    loads().to_csv(path, index=False)
    data = ["data=csv", f"data.source.path={path}", "data.source.time=when", "data.source.targets=[load]"]
    words = [*data, *QUICK, "baselines=series", "data.split.validation=0.3"]
    return recast.fit(overrides=words, folder=scratch() / "by_file")


def test_the_package_offers_five_names_and_imports_nothing():
    program = "import sys, recast; "
    program += "print(sorted(name for name in sys.modules if name.partition('.')[0] in ('torch', 'pandas', 'numpy')))"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert answer == "[]\n"
    assert len(recast.__all__) <= 5
    assert set(recast.__all__) <= set(dir(recast))
    for name in recast.__all__:
        assert getattr(recast, name).__doc__
    with pytest.raises(AttributeError, match="'recast' has no attribute 'fitt'"):
        recast.fitt  # noqa: B018


def test_a_run_in_python_is_that_of_the_command(fitted, tmp_path):
    loads().to_csv(tmp_path / "loads.csv", index=False)
    data = ["data=csv", "data.source.path=loads.csv", "data.source.time=when", "data.source.targets=[load]"]
    folder = trained(*data, *QUICK, "model/head=gaussian", cwd=tmp_path)
    theirs = json.loads((folder / "metrics.json").read_text())
    assert fitted.metrics["test"] == theirs["test"]
    assert fitted.metrics["baselines"] == theirs["baselines"]
    assert json.loads((fitted.folder / "metrics.json").read_text()) == fitted.metrics
    done = run(
        "recast-forecast",
        f"checkpoint={folder}/checkpoints/best.ckpt",
        "input=loads.csv",
        "output=out.csv",
        cwd=tmp_path,
    )
    assert done.code == 0, done
    found = pd.read_csv(tmp_path / "out.csv", parse_dates=["when"])
    ours = fitted.forecaster.forecast(loads())
    assert ours.columns.tolist() == ["when", "load", "load_lower_80", "load_upper_80"]
    pd.testing.assert_frame_equal(ours, found.astype(ours.dtypes.to_dict()), rtol=1e-5)


def test_the_time_may_be_the_index(fitted):
    frame = loads()
    expected = fitted.forecaster.forecast(frame)
    pd.testing.assert_frame_equal(fitted.forecaster.forecast(frame.set_index("when")), expected)
    pd.testing.assert_frame_equal(fitted.forecaster.forecast(frame.set_index("when").rename_axis(None)), expected)
    pd.testing.assert_frame_equal(recast.load(fitted.folder).forecast(frame.tail(24)), expected)
    checkpoint = fitted.folder / "checkpoints" / "best.ckpt"
    pd.testing.assert_frame_equal(recast.load(str(checkpoint)).forecast(frame.iloc[5:]), expected)


def test_levels_horizon_and_seed(fitted, caplog):
    frame, forecaster = loads(), fitted.forecaster
    found = forecaster.forecast(frame, levels=(0.5, 0.975), horizon=15)
    assert "horizon=15: the model was trained and scored for 6 steps" in caplog.text
    ends = [found[f"load_{end}"] for end in ("lower_97.5", "lower_50", "upper_50", "upper_97.5")]
    assert np.all(np.diff(ends, axis=0) > 0)
    assert found["when"].tolist() == [frame["when"].iloc[-1] + pd.Timedelta(hours=lead) for lead in range(1, 16)]
    caplog.clear()
    assert len(forecaster.forecast(frame, levels=(), horizon=2).columns) == 2
    assert not caplog.text
    again = forecaster.forecast(frame, seed=1)
    assert again.equals(forecaster.forecast(frame, seed=1))
    assert not again.equals(forecaster.forecast(frame, seed=2))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"horizon": 0}, "horizon=0"),
        ({"levels": (1.2,)}, r"1\.2 is no probability"),
        ({"levels": (0.999,), "samples": 9}, "draw more samples"),
        ({"samples": 0}, "samples=0"),
        ({"known": loads()}, "reads no columns known ahead"),
    ],
)
def test_what_cannot_be_forecast(fitted, options, says):
    with pytest.raises(ConfigurationError, match=says):
        fitted.forecaster.forecast(loads(), **options)


@pytest.mark.parametrize("model", ["direct", "recursive", "deepar", "segment", "per_step", "vector_to_sequence"])
def test_models_that_unroll_forecast_other_horizons(model, tmp_path):
    small = {"segment": ["model.segment=3"], "deepar": ["model.lags=[2,8]", "model/head=point"]}
    words = [*QUICK, f"model={model}", *small.get(model, [])]
    done = recast.fit(loads(), time="when", targets=["load"], overrides=words, folder=tmp_path)
    whole = done.forecaster.forecast(loads())
    if model in ("recursive", "deepar", "vector_to_sequence"):
        longer = done.forecaster.forecast(loads(), horizon=9)
        assert len(longer) == 9
        pd.testing.assert_frame_equal(longer.head(6), whole, rtol=1e-5)
    else:
        with pytest.raises(ConfigurationError, match=r"has weights of its own for each of the 6 steps.*horizon=9"):
            done.forecaster.forecast(loads(), horizon=9)


def spoilt(change: str) -> pd.DataFrame:  # noqa: C901 one case after the other
    frame = loads()
    match change:
        case "a missing value":
            frame.loc[7, "load"] = np.nan
        case "text":
            frame["load"] = frame["load"].astype(object)
            frame.loc[7, "load"] = "ten"
        case "a sentinel":
            frame.loc[7, "load"] = -9999.0
        case "disorder":
            frame = frame.iloc[::-1].reset_index(drop=True)
        case "duplicates":
            frame.loc[8, "when"] = frame.loc[7, "when"]
        case "no stamp":
            frame.loc[7, "when"] = pd.NaT
        case "a gap":
            frame = frame.drop(index=range(100, 110)).reset_index(drop=True)
        case "two columns":
            frame = pd.concat([frame, frame[["load"]]], axis=1)
        case "no column":
            frame = frame.rename(columns={"load": "loads"})
        case "no rows":
            frame = frame.head(0)
    return frame


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("a missing value", r"the frame, row 7, column 'load': found 'nan'; .*data\.source\.missing=\[nan\]"),
        ("text", r"the frame, row 7, column 'load': found 'ten'; expected a number"),
        ("a sentinel", r"the frame, row 7, column 'load': found -9999 .*data\.source\.missing=\[-9999\]"),
        ("disorder", "sort the frame by time"),
        ("duplicates", "which row 7 has too"),
        ("no stamp", "row 7, column 'when': found 'NaT', an empty stamp"),
        ("a gap", "10 stamps of the h grid are missing"),
        ("two columns", "2 columns have the name 'load'"),
        ("no column", "no column 'load'; did you mean 'loads'"),
        ("no rows", "no rows"),
    ],
)
def test_bad_frames_are_refused_as_bad_files_are(change, says, tmp_path):
    with pytest.raises(DataError, match=says):
        recast.fit(spoilt(change), time="when", targets=["load"], overrides=QUICK, folder=tmp_path / "run")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"targets": ["load"]}, "expected time="),
        ({"time": "when", "targets": "load"}, "targets='load'"),
        ({"time": "when", "targets": ["load"], "overrides": "seed=1"}, r"found a text; expected a list"),
        ({"time": "when", "targets": ["load"], "overrides": ["sede=1"]}, "sede: no such option; did you mean seed"),
        ({"time": "when", "targets": ["load"], "overrides": ["model/cell=gro"]}, "no such choice; did you mean gru"),
        ({"time": "when", "targets": ["load"], "overrides": ["seed=-1"]}, "seed=-1"),
        ({"time": "when", "targets": ["load"], "overrides": ["seed="]}, "seed"),
    ],
)
def test_wrong_calls_are_told_in_one_line(given, says, tmp_path):
    with pytest.raises(RecastError, match=says):
        recast.fit(loads(), **given, folder=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_finished_run_is_not_overwritten(fitted):
    with pytest.raises(ConfigurationError, match="it holds a finished run"):
        recast.fit(loads(), time="when", targets=["load"], overrides=QUICK, folder=fitted.folder)


def test_new_folders_without_one(tmp_path):
    words = [*QUICK, f"paths.output_dir={tmp_path}"]
    first, second = (recast.fit(loads(), time="when", targets=["load"], overrides=words) for _ in range(2))
    assert first.folder != second.folder
    assert first.metrics["test"] == second.metrics["test"]
    assert first.folder.is_relative_to(tmp_path)


def test_columns_of_all_roles(tmp_path):
    words = [
        *QUICK,
        "data.source.known=[day]",
        "data.source.categories=[day]",
        "data/grid=mask",
        "data.source.missing=[nan]",
        "model/head=quantile",
    ]
    frame = loads()
    frame.loc[50:55, "load"] = np.nan
    frame["day"] = frame["day"].astype("category")
    done = recast.fit(frame, time="when", targets=["load"], overrides=words, folder=tmp_path / "run")
    ahead = loads(306)[["when", "day"]]
    found = done.forecaster.forecast(frame, known=ahead, levels=(0.8,))
    assert len(found) == 6
    assert (found["load_lower_80"] < found["load_upper_80"]).all()
    with pytest.raises(ConfigurationError, match=r"reads inputs known ahead \(day\); give known"):
        done.forecaster.forecast(frame)
    with pytest.raises(DataError, match="known: 6 of the 6 steps to forecast have no row"):
        done.forecaster.forecast(frame, known=ahead.head(300))


def test_a_zone_is_kept(tmp_path):
    frame = loads(tz="Europe/Berlin")
    done = recast.fit(frame, time="when", targets=["load"], overrides=QUICK, folder=tmp_path)
    found = done.forecaster.forecast(frame)
    assert str(found["when"].dt.tz) == "UTC"
    assert found["when"].iloc[0] == frame["when"].iloc[-1] + pd.Timedelta(hours=1)
    with pytest.raises(DataError, match="time zone"):
        done.forecaster.forecast(loads())


def test_other_data_of_a_run_on_a_frame(fitted, tmp_path):
    checkpoint = f"checkpoint={fitted.folder}/checkpoints/best.ckpt"
    done = run("recast-evaluate", checkpoint, cwd=tmp_path)
    assert done.code == 2, done
    assert "a frame of the program that trained on it" in done.err
    loads().to_csv(tmp_path / "same.csv", index=False)
    done = run("recast-evaluate", checkpoint, "path=same.csv", "output=.", cwd=tmp_path)
    assert done.code == 0, done
    assert json.loads((tmp_path / "metrics.json").read_text())["test"] == fitted.metrics["test"]


def test_what_does_not_forecast_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        recast.load(tmp_path)


def test_data_by_name(tmp_path):
    done = recast.fit(overrides=["data=ar2", "data.source.rows=300", *QUICK[2:]], folder=tmp_path)
    assert done.forecaster.spec.horizon == 10


def test_compose_is_the_configuration_of_the_command():
    config = recast.compose(["data=sines", "model/cell=lstm", "seed=3"])
    assert config["model"]["cell"]["_target_"] == "recast.nn.cells.lstm.LSTM"
    assert config["seed"] == 3
    assert "hydra" not in config
    with pytest.raises(ConfigurationError, match="no such choice"):
        recast.compose(["data=sins"])


HEAVY = ("lightning", "tensorboard", "submitit", "matplotlib", "hydra", "torchmetrics", "optuna")


@pytest.mark.parametrize("baseline", [None, pytest.param("ridge", marks=pytest.mark.slow)])
def test_forecasting_is_light(baseline, fitted, by_file, tmp_path):
    loads().to_csv(tmp_path / "loads.csv", index=False)
    words = [f"checkpoint={fitted.folder}/checkpoints/best.ckpt", "input=loads.csv", "output=out.csv"]
    if baseline is not None:
        words[0] = f"run={by_file.folder}"
        words.append(f"baseline={baseline}")
    program = f"""
import json, sys
from pathlib import Path
sys.argv = ["recast-forecast", *{words!r}]
from recast.cli.forecast import main
main()
found = [name for name in {HEAVY!r} if name in sys.modules]
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(json.dumps([found, int(peak.split()[1]) / 1024]))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True)
    found, mebibytes = json.loads(done.stdout.splitlines()[-1])
    assert found == []
    assert mebibytes < 450


NUMBERS = st.floats(-1e12, 1e12)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(NUMBERS, min_size=3, max_size=12))
def test_a_frame_is_read_as_the_file_of_it(values, tmp_path):
    times = pd.date_range("2020-01-01", periods=len(values), freq="h", tz="UTC")
    frame = pd.DataFrame({"t": times, "v": values})
    path = tmp_path / "frame.csv"
    frame.to_csv(path, index=False)
    options = {"time": "t", "targets": ["v"], "missing": []}
    ours = FrameSource(**options).for_table(FrameTable(frame, "t")).read()
    theirs = CsvSource(path=str(path), **options).read()
    np.testing.assert_array_equal(ours.values, theirs.values)
    np.testing.assert_array_equal(ours.clock, theirs.clock)
    assert (ours.step, ours.timezone, ours.columns) == (theirs.step, theirs.timezone, theirs.columns)


@pytest.mark.parametrize("dtype", ["float32", "int64", "Int64", "Float64", "string", "object", "bool"])
def test_numbers_of_any_type(dtype):
    frame = pd.DataFrame(
        {"t": pd.date_range("2020-01-01", periods=4, freq="h"), "v": pd.Series([1, 0, 1, 1], dtype=dtype)}
    )
    panel = FrameSource(time="t", targets=["v"]).for_table(FrameTable(frame, "t")).read()
    assert panel.values[:, 0].tolist() == [1.0, 0.0, 1.0, 1.0]


def test_a_frame_is_left_as_it_is():
    frame = loads()
    before = frame.copy(deep=True)
    FrameSource(time="when", targets=["load"], categories=["day"], known=["day"]).for_table(
        FrameTable(frame, "when")
    ).read()
    pd.testing.assert_frame_equal(frame, before)


def test_no_frame(tmp_path):
    # Types are checked in this process, where recast's own message would not be seen.
    done = python("import recast; recast.fit({'a': [1]}, time='a', targets=['b'])", cwd=tmp_path)
    assert done.code == 1
    assert "DataError: the frame: found a dict; expected a pandas DataFrame" in done.err


def test_a_run_shows_its_scores(fitted):
    scores = fitted.scores
    assert list(scores.columns) == list(fitted.metrics["test"])
    assert scores["mse"].is_monotonic_increasing
    assert scores["mse"].to_dict() == {
        "model": fitted.metrics["test"]["mse"],
        **{name: found["mse"] for name, found in fitted.metrics["baselines"].items()},
    }
    best = next(name for name in scores.index if name != "model")
    said = f"mse of model {scores.loc['model', 'mse']:.4g}, of {best} {scores.loc[best, 'mse']:.4g}"
    assert repr(fitted) == f"<Run {fitted.folder.as_posix()}: {said}>"
    page = fitted._repr_html_()
    assert f"test, {fitted.metrics['scored']['test']} windows" in page
    assert re.findall("<th>(?:<b>)?([a-z_]+)", page) == [*scores.columns, *scores.index]
    cells = re.findall("<td>(?:<b>)?([-0-9.e+]+)", page)
    assert cells == ["-" if np.isnan(score) else f"{score:.4g}" for score in scores.to_numpy().ravel()]
    assert f"<td><b>{scores.loc['model', 'mse']:.4g}</b></td>" in page


def test_a_folder_without_scores_is_shown_by_its_name(tmp_path):
    unfinished = recast.Run(tmp_path / "a<b")
    assert repr(unfinished) == f"<Run {(tmp_path / 'a<b').as_posix()}: no scores>"
    assert "a&lt;b: no scores" in unfinished._repr_html_()

"""A forecast of many series: a row for each of them and each step, each from its own rows alone."""

import logging

import numpy as np
import pandas as pd
import pytest
from commands import run, scratch

import recast
from recast.errors import DataError
from recast.runs import window_forecasts

WORDS = (
    "data.source.known=[wind]",
    "data.source.static=[depth]",
    "data.windows.context=12",
    "data.windows.horizon=4",
    "data.split.validation=0.3",
    "data.split.test=0.3",
    "model.cell.hidden_size=4",
    "model/head=quantile",
    "trainer.max_epochs=1",
    "callbacks.progress_bar=null",
    "callbacks.figures=null",
    "logger=none",
    "baselines=none",
)
SITES = ("north", "south", "7")


def sites(rows: int = 60, mixed: bool = False) -> pd.DataFrame:
    """Three gauges of different lengths, each beginning a day later than the one before."""
    random = np.random.default_rng(0)
    parts = []
    for number, name in enumerate(SITES):
        times = pd.date_range("2024-01-01", periods=rows + 7 * number, freq="h") + pd.Timedelta(days=number)
        wind = random.normal(size=len(times))
        level = np.sin(np.arange(len(times)) / 4) + 0.5 * wind + number
        parts.append(pd.DataFrame({"site": name, "when": times, "level": level, "wind": wind, "depth": 3.0 * number}))
    frame = pd.concat(parts, ignore_index=True)
    return frame.sort_values("when", kind="stable", ignore_index=True) if mixed else frame


def ahead(frame: pd.DataFrame, steps: int = 4) -> pd.DataFrame:
    """What is known of the steps after the end of each series."""
    last = frame.groupby("site", sort=False)["when"].max()
    steps_ahead = [
        (name, time + pd.Timedelta(hours=lead)) for name, time in last.items() for lead in range(1, steps + 1)
    ]
    return pd.DataFrame(steps_ahead, columns=["site", "when"]).assign(wind=np.arange(steps * len(last)) / 10)


@pytest.fixture(scope="module")
def fitted() -> recast.Run:
    frame = sites(mixed=True).set_index(["site", "when"])
    return recast.fit(frame, time="when", targets=["level"], id="site", overrides=WORDS, folder=scratch() / "sites")


def test_each_series_is_forecast_as_if_it_were_alone(fitted, monkeypatch):
    frame, model = sites(), fitted.forecaster
    known = ahead(frame)
    together = model.forecast(frame, known)
    assert together.columns.tolist() == ["site", "when", "level", "level_lower_80", "level_upper_80"]
    assert together["site"].tolist() == [name for name in SITES for _ in range(4)]
    pd.testing.assert_frame_equal(together[["site", "when"]], known[["site", "when"]], check_dtype=False)
    for name in SITES:
        own = model.forecast(frame[frame["site"] == name], known)
        expected = together[together["site"] == name].reset_index(drop=True)
        pd.testing.assert_frame_equal(own, expected, rtol=1e-5, check_exact=False)
    mixed = model.forecast(
        sites(mixed=True).set_index(["site", "when"]),
        known.sample(frac=1, random_state=0).sort_values("when", kind="stable"),
    )
    merged = together.merge(mixed, on=["site", "when"], suffixes=("", "_mixed"))
    assert len(merged) == len(together)
    np.testing.assert_allclose(merged["level_mixed"], merged["level"], rtol=1e-5)
    monkeypatch.setattr(window_forecasts, "AT_ONCE", 2)
    pd.testing.assert_frame_equal(model.forecast(frame, known), together, rtol=1e-5, check_exact=False)


def test_names_are_those_of_the_frame(fitted):
    frame = sites()
    frame, known = (
        part.assign(site=part["site"].map({"north": 1, "south": 2, "7": 7})) for part in (frame, ahead(frame))
    )
    found = fitted.forecaster.forecast(frame, known)
    assert found["site"].tolist() == [1] * 4 + [2] * 4 + [7] * 4
    assert len(found.merge(known, on=["site", "when"])) == 12


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda f, k: (f, k[k["site"] != "south"]), "known, series 'south': 4 of the 4 steps to forecast have no row"),
        (lambda f, k: (f, k.drop(index=6)), "known, series 'south': 1 of the 4 steps to forecast have no row"),
        (lambda f, k: (f, k.drop(columns="site")), "known: no column 'site'"),
        (lambda f, k: (f[(f["site"] != "7") | (f["when"] > f["when"].max() - pd.Timedelta(hours=5))], k),
         "series '7': 5 rows; the model reads the last 12 steps without a gap; give more rows, or leave the 1 series"),
        (lambda f, k: (f.assign(level=f["level"].mask(f["site"] == "7")), k), "column 'level': found 'nan'"),
    ],
)  # fmt: skip
def test_what_cannot_be_forecast_names_the_series(fitted, change, says):
    frame = sites()
    with pytest.raises(DataError) as error:
        fitted.forecaster.forecast(*change(frame, ahead(frame)))
    assert says in str(error.value)


def test_rows_to_be_forecast_end_each_series_for_itself(fitted, caplog):
    frame = sites()
    frame.loc[frame.groupby("site").tail(3).index, "level"] = np.nan
    lost = frame["site"].eq("south") & frame["when"].eq(
        frame.loc[frame["site"] == "south", "when"].max() - pd.Timedelta(hours=3)
    )
    known = pd.concat([frame[["site", "when", "wind"]], ahead(frame)])
    frame.loc[lost, "wind"] = np.nan
    model = recast.load(fitted.folder, overrides=["data.source.missing=[nan]"])
    with caplog.at_level(logging.WARNING):
        found = model.forecast(frame, known.sort_values(["site", "when"]))
    ends = frame[frame["level"].notna() & frame["wind"].notna()].groupby("site")["when"].max()
    first = found.groupby("site")["when"].min()
    assert (first == ends[first.index] + pd.Timedelta(hours=1)).all()
    assert "series 'south': the last 1 row(s) lack a value" in caplog.text
    assert "series 'north'" not in caplog.text


def test_files_of_many_series_are_forecast_by_command(fitted, tmp_path):
    frame = sites(mixed=True)
    frame.to_csv(tmp_path / "sites.csv", index=False)
    ahead(frame).to_csv(tmp_path / "ahead.csv", index=False)
    done = run(
        "recast-forecast",
        f"run={fitted.folder}",
        "input=sites.csv",
        "known=ahead.csv",
        "output=out.csv",
        "figure=out.png",
        cwd=tmp_path,
    )
    assert done.code == 0, done.err
    found = pd.read_csv(tmp_path / "out.csv", parse_dates=["when"])
    expected = fitted.forecaster.forecast(frame, ahead(frame))
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-5, check_exact=False)
    assert (tmp_path / "out.png").stat().st_size > 1000

"""What is known ahead, given to a forecast as a frame or a file: what is wrong with it is one line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from model_forms import part

from recast.data.datamodule import ForecastDataModule
from recast.data.prepare.grid import Grid, MaskGrid, SplitGrid
from recast.data.prepare.windows import Windows
from recast.data.sources.csv_file import CsvSource
from recast.data.spec import SeriesSpec
from recast.errors import DataError
from recast.nn.models.direct import Direct
from recast.nn.models.model import ForecastModel
from recast.runs.network_forecaster import NetworkForecaster

CONTEXT, HORIZON, ROWS = 8, 12, 200
STAMPS = pd.date_range("2024-01-01", periods=ROWS + 3 * HORIZON, freq="h")
FIRST, LAST = STAMPS[ROWS], STAMPS[ROWS + HORIZON - 1]
WHOLE = pd.DataFrame(
    {
        "time": STAMPS,
        "level": np.random.default_rng(0).normal(size=len(STAMPS)).cumsum(),
        "wind": np.random.default_rng(1).normal(size=len(STAMPS)),
        "kind": np.where(STAMPS.hour < 12, "ebb", "flow"),
    }
)
PAST, AHEAD = WHOLE[:ROWS], WHOLE[ROWS : ROWS + HORIZON].drop(columns="level").reset_index(drop=True)


def build_model(spec: SeriesSpec) -> ForecastModel:
    torch.manual_seed(0)
    return Direct(spec=spec, cell=part("cell", "gru"), head=part("head", "point")).double().eval()


def forecaster_of(past: pd.DataFrame, folder: Path, grid: Grid | None = None, **options: object) -> NetworkForecaster:
    past.to_csv(folder / "past.csv", index=False)
    roles = {"time": "time", "targets": ["level"], "known": ["wind", "kind"], "categories": ["kind"]}
    source = CsvSource(path=str(folder / "past.csv"), **roles, **options)
    windows = Windows(context=CONTEXT, horizon=HORIZON)
    data = ForecastDataModule(source=source, windows=windows, grid=grid or SplitGrid())
    return NetworkForecaster(build_model=build_model, spec=data.spec, source=data.source, grid=data.grid)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("known")


@pytest.fixture(scope="module")
def forecaster(folder) -> NetworkForecaster:
    return forecaster_of(PAST, folder)


def with_value(column: str, row: int, value: object) -> pd.DataFrame:
    frame = AHEAD.astype({column: object})
    frame.loc[row, column] = value
    return frame


EVERY = f"expected wind, kind at each step from {FIRST} to {LAST}"
WRONG: dict[str, tuple[Callable[[], pd.DataFrame], str]] = {
    "too short": (
        lambda: AHEAD[:8],
        f"the first is {STAMPS[ROWS + 8]}; found rows from {FIRST} to {STAMPS[ROWS + 7]}, {EVERY}",
    ),
    "too early": (
        lambda: WHOLE[:30],
        f": 12 of the 12 steps to forecast have no row, the first is {FIRST}; found rows from {STAMPS[0]} to ",
    ),
    "gaps": (
        lambda: AHEAD.drop(index=[4, 5]),
        f": 2 of the 12 steps to forecast have no row, the first is {STAMPS[204]}",
    ),
    "between steps": (
        lambda: AHEAD.assign(time=AHEAD["time"] + pd.Timedelta("10min")),
        f"12 of the 12 steps to forecast have no row, the first is {FIRST}; found rows from 2024-01-09 08:10:00 to",
    ),
    "coarser step": (
        lambda: AHEAD[::3],
        ": the step of its rows is 3h (3 of 3 differences), but the model was trained on h; give rows of that step",
    ),
    "finer step": (
        lambda: WHOLE[ROWS:].assign(time=pd.date_range(FIRST, periods=3 * HORIZON, freq="30min")),
        ": the step of its rows is 30min (35 of 35 differences), but the model was trained on h; ",
    ),
    "a zone": (
        lambda: AHEAD.assign(time=AHEAD["time"].dt.tz_localize("Europe/Berlin")),
        ": its stamps have a time zone, those of ",
    ),
    "no column": (lambda: AHEAD.rename(columns={"wind": "winds"}), ": no column 'wind'; did you mean 'winds'? the "),
    "no category": (lambda: AHEAD.drop(columns="kind"), ": no column 'kind'; "),
    "no time": (lambda: AHEAD.rename(columns={"time": "when"}), ": no column 'time'; "),
    "no rows": (lambda: AHEAD[:0], "no rows"),
    "twice": (lambda: pd.concat([AHEAD[:3], AHEAD[2:]]), f"found '{STAMPS[ROWS + 2]}', which "),
    "unsorted": (
        lambda: AHEAD.iloc[::-1],
        "before the stamp of the row above it; expected ascending stamps; sort the ",
    ),
    "text": (
        lambda: with_value("wind", 3, "strong"),
        "column 'wind': found 'strong'; expected a number with a decimal point (1 row(s) have none); correct the value",
    ),
    "empty": (
        lambda: with_value("wind", 3, np.nan),
        "; give one; where the model reads gaps (data/grid=mask), it may be missing: data.source.missing=[nan]",
    ),
    "no level": (lambda: with_value("kind", 3, ""), "expected the name of a level (1 row(s) have none); give one; "),
    "other level": (
        lambda: with_value("kind", 3, "slack"),
        ": column 'kind' has the level 'slack', which the training had not; it had ebb, flow",
    ),
    "no stamp": (
        lambda: with_value("time", 3, "soon"),
        "column 'time': found 'soon', no time stamp; expected ISO 8601",
    ),
    "sentinel": (
        lambda: with_value("wind", 3, -9999.0),
        "column 'wind': found -9999 in 1 row(s), far from the other values",
    ),
}


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("form", ["frame", "file"])
def test_what_is_wrong_is_one_line(forecaster, folder, form, name):
    make, words = WRONG[name]
    known = make()
    known.to_csv(folder / "known.csv", index=False)
    with pytest.raises(DataError) as caught:
        if form == "frame":
            forecaster.forecast(PAST, known)
        else:
            source = forecaster.source
            found = source.load(str(folder / "past.csv")), source.load(str(folder / "known.csv"))
            forecaster.forecast_table(*found, samples=1, seed=0)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("known" if form == "frame" else str(folder / "known.csv"))
    assert words in message


def test_more_rows_and_columns_than_are_needed_do_no_harm(forecaster):
    expected = forecaster.forecast(PAST, AHEAD)
    # With rows of the past, and beyond the horizon, one of them missing there; with another column, in another order.
    longer = WHOLE.drop(index=[ROWS - 5, ROWS + HORIZON + 2])[["kind", "level", "wind", "time"]]
    pd.testing.assert_frame_equal(forecaster.forecast(PAST, longer), expected)


def test_a_zone_is_that_of_the_stamps_whatever_the_training_had(tmp_path):
    aware = {name: part.assign(time=part["time"].dt.tz_localize("UTC")) for name, part in (("p", PAST), ("a", AHEAD))}
    forecaster = forecaster_of(aware["p"], tmp_path)
    expected = forecaster.forecast(aware["p"], aware["a"])
    local = aware["a"].assign(time=aware["a"]["time"].dt.tz_convert("Europe/Berlin"))
    pd.testing.assert_frame_equal(forecaster.forecast(aware["p"], local), expected)
    with pytest.raises(DataError, match="known: its stamps have no time zone, those of the frame have a time zone"):
        forecaster.forecast(aware["p"], AHEAD)
    # The same hours on the clocks of another place are other times.
    moved = AHEAD.assign(time=AHEAD["time"].dt.tz_localize("Europe/Berlin"))
    with pytest.raises(DataError, match="known: 1 of the 12 steps to forecast have no row"):
        forecaster.forecast(aware["p"], moved)


def test_a_model_that_reads_gaps_may_lack_a_value_but_not_a_row(tmp_path):
    forecaster = forecaster_of(PAST, tmp_path, MaskGrid(), missing=[np.nan])
    expected = forecaster.forecast(PAST, AHEAD)["level"]
    found = forecaster.forecast(PAST, with_value("wind", 3, np.nan))["level"]
    assert found.notna().all()
    assert (found != expected).any()
    with pytest.raises(DataError, match="known: 1 of the 12 steps to forecast have no row"):
        forecaster.forecast(PAST, AHEAD.drop(index=3))


def test_without_gaps_a_value_that_is_not_observed_is_named(tmp_path):
    forecaster = forecaster_of(PAST, tmp_path, missing=[np.nan])
    with pytest.raises(DataError, match=rf"at {STAMPS[ROWS + 3]}, a step to forecast, 'wind' has no value; expected"):
        forecaster.forecast(PAST, with_value("wind", 3, np.nan))


def test_of_many_series_each_needs_its_own_rows(tmp_path):
    both = [pd.concat([frame.assign(site=site) for site in "ab"]) for frame in (PAST, AHEAD)]
    forecaster = forecaster_of(both[0], tmp_path, id="site")
    assert len(forecaster.forecast(*both)) == 2 * HORIZON
    with pytest.raises(DataError, match=r"known, series 'b': 12 of the 12 steps .*; found no row, expected wind, kind"):
        forecaster.forecast(both[0], AHEAD.assign(site="a"))
    short = both[1][(both[1]["site"] == "a") | (both[1]["time"] < LAST)]
    with pytest.raises(DataError, match=rf"known, series 'b': 1 of the 12 steps .* first is {LAST}; found rows from"):
        forecaster.forecast(both[0], short)
    with pytest.raises(DataError, match=r"known: the step of its rows is 2h \(10 of 10 differences\), but the model"):
        forecaster.forecast(both[0], pd.concat([AHEAD[::2].assign(site=site) for site in "ab"]))

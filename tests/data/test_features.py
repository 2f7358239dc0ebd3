"""Columns that are computed at any stamp: their values, and that they are known at each lead."""

from dataclasses import replace

import holidays
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from panels import HOUR, panel_of
from small_data import small_data

from recast.data.features.calendar import Calendar
from recast.data.features.elapsed import Elapsed
from recast.data.features.holidays import Holidays
from recast.data.features.lags import TargetLags
from recast.data.features.tide import FittedTide, TidalConstituents
from recast.data.panel import Panel, columns_of
from recast.data.prepare.covariates import Covariates
from recast.data.prepare.grid import MaskGrid, SplitGrid
from recast.data.prepare.prepare import prepare
from recast.data.prepare.scale import NoScaling, Standard
from recast.data.prepare.split import FractionSplit
from recast.data.prepare.windows import Windows
from recast.data.sources.tide import TideSimulator
from recast.data.zone import Zone
from recast.errors import ConfigurationError, DataError
from recast.runs.checkpoints.spec import checked_series_spec
from recast.scoring.baselines.baseline import History
from recast.scoring.baselines.harmonic import Harmonic
from recast.types import Origins

CONSTITUENTS = ["M2", "S2", "K1"]


def series_of(values: np.ndarray, *, first: str = "2024-03-01", step: str = "h", zone: str | None = None) -> Panel:
    stamps = pd.date_range(first, periods=len(values), freq=step).to_numpy().astype("datetime64[ns]")
    return Panel(
        columns=columns_of(targets=["price"], units={"price": "EUR"}),
        values=np.asarray(values, dtype=float).reshape(-1, 1),
        starts=np.zeros(1, dtype=np.int64),
        label="prices",
        times=stamps,
        step=step,
        timezone=None if zone is None else "UTC",
        zone=None if zone is None else Zone(zone),
    )


def added(panel: Panel, *, horizon: int = 2, keep_gaps: bool = False, **features: object) -> Panel:
    return Covariates(features).added(panel, horizon=horizon, keep_gaps=keep_gaps)


def column(panel: Panel, name: str) -> np.ndarray:
    return panel.values[:, panel.names.index(name)]


def test_a_calendar_is_that_of_pandas_by_local_clocks():
    panel = series_of(np.zeros(24 * 90), zone="Europe/Oslo")
    found = added(panel, c=Calendar(parts=["hour", "weekday", "weekend", "day", "day_of_year", "month"], form="number"))
    here = pd.DatetimeIndex(panel.clock, tz="UTC").tz_convert("Europe/Oslo")
    assert column(found, "c.hour").tolist() == here.hour.tolist()
    assert column(found, "c.weekday").tolist() == here.day_of_week.tolist()
    assert column(found, "c.weekend").tolist() == (here.day_of_week >= 5).astype(float).tolist()
    assert column(found, "c.day").tolist() == here.day.tolist()
    assert column(found, "c.day_of_year").tolist() == here.day_of_year.tolist()
    assert column(found, "c.month").tolist() == here.month.tolist()
    named = added(replace(panel, zone=None), c=Calendar(parts=["hour"], form="number", timezone="Europe/Oslo"))
    assert column(named, "c.hour").tolist() == here.hour.tolist()


def test_the_end_of_a_cycle_is_next_to_its_beginning():
    found = added(series_of(np.zeros(24 * 8), step="h"), c=Calendar(parts=["hour", "weekday"]))
    sine, cosine = column(found, "c.hour.sin"), column(found, "c.hour.cos")
    assert np.hypot(sine, cosine) == pytest.approx(1)
    steps = np.hypot(np.diff(sine), np.diff(cosine))
    assert steps == pytest.approx(steps[0])
    week = column(added(series_of(np.zeros(14), step="D"), c=Calendar(parts=["weekday"])), "c.weekday.cos")
    assert week[:7] == pytest.approx(week[7:])


def test_categories_have_their_levels():
    found = added(series_of(np.zeros(48)), c=Calendar(parts=["hour", "weekday"], form="category"))
    hour, weekday = found.columns[1:]
    assert hour.levels == tuple(map(str, range(24)))
    assert weekday.levels is not None
    assert {weekday.levels[int(code)] for code in column(found, "c.weekday")} == {"Fri", "Sat"}
    assert column(found, "c.hour").tolist() == [*range(24)] * 2


def test_holidays_are_those_of_the_package_and_the_days_around_them():
    panel = series_of(np.zeros(24 * 60), first="2024-12-01", zone="Europe/Oslo")
    found = added(panel, h=Holidays(country="NO", around=1))
    days = pd.DatetimeIndex(panel.clock, tz="UTC").tz_convert("Europe/Oslo").date
    known = holidays.country_holidays("NO", years=[2024, 2025])
    assert column(found, "h.day").tolist() == [day in known for day in days]
    assert column(found, "h.1d after").tolist() == [day - pd.Timedelta("1D") in known for day in days]
    assert column(found, "h.1d before").tolist() == [day + pd.Timedelta("1D") in known for day in days]
    with pytest.raises(ConfigurationError, match="no holidays of XX are known"):
        added(panel, h=Holidays(country="XX"))


def test_lags_are_those_of_pandas_and_rows_without_them_are_dropped():
    panel = series_of(np.arange(100.0))
    found = added(panel, horizon=24, lags=TargetLags(lags=["24h", 48]))
    frame = pd.Series(panel.values[:, 0], pd.DatetimeIndex(panel.clock))
    assert len(found) == 52
    assert column(found, "lags.price 24h before").tolist() == frame.shift(24)[48:].tolist()
    assert column(found, "lags.price 48 steps before").tolist() == frame.shift(48)[48:].tolist()
    kept = added(panel, horizon=24, keep_gaps=True, lags=TargetLags(lags=["24h"]))
    assert len(kept) == 100
    assert np.isnan(column(kept, "lags.price 24h before")[:24]).all()


def test_the_same_hour_of_yesterday_follows_the_clocks():
    panel = series_of(np.arange(24.0 * 40), first="2024-03-10", zone="Europe/Berlin")
    found = added(panel, horizon=12, keep_gaps=True, lags=TargetLags(lags=["1D"]))
    here = pd.DatetimeIndex(panel.clock, tz="UTC").tz_convert("Europe/Berlin")
    values = dict(zip(here, panel.values[:, 0], strict=True))
    expected = [values.get(stamp - pd.DateOffset(days=1), np.nan) for stamp in here]
    same = np.asarray(expected) == column(found, "lags.price 1D before")
    # The hour that does not exist, or comes twice, is a matter of convention.
    assert (~same[24:]).sum() <= 2


@pytest.mark.parametrize(
    ("lags", "zone", "words"),
    [
        ([23], None, "23 is shorter than the horizon of 24 steps of h"),
        (["12h"], None, "'12h' is shorter than the horizon"),
        (["1D"], "Europe/Berlin", "a day has 23 hours where clocks are turned; give hours"),
    ],
)
def test_lags_shorter_than_the_horizon_are_refused(lags, zone, words):
    with pytest.raises(ConfigurationError, match=words):
        added(series_of(np.arange(100.0), zone=zone), horizon=24, lags=TargetLags(lags=lags))


@pytest.mark.parametrize("lags", [["soon"], [24, "24"], ["24h", "24h"]])
def test_what_is_no_lag_is_refused(lags):
    with pytest.raises(ConfigurationError, match="lags"):
        TargetLags(lags=lags)


def test_a_gap_cuts_pieces_where_a_lag_falls_into_it():
    panel = series_of(np.arange(100.0)).without(np.isin(np.arange(100), range(40, 45)))
    split = SplitGrid().apply(panel)
    found = added(split, lags=TargetLags(lags=[10]))
    assert column(found, "lags.price 10 steps before").tolist() == (found.values[:, 0] - 10).tolist()
    for first, stop in found.pieces:
        assert set(np.diff(found.clock[first:stop])) <= {HOUR}
    assert sorted(found.values[:, 0]) == [v for v in [*range(10, 40), *range(45, 100)] if not 50 <= v < 55]


def test_lags_of_a_panel_stay_within_an_item():
    panel = panel_of([[6, 5], [7]])
    found = added(panel, horizon=1, keep_gaps=True, lags=TargetLags(lags=[2], targets=["b"]))
    items = np.repeat(found.items, found.lengths)
    for row, value in enumerate(column(found, "lags.b 2 steps before")):
        same = (items == items[row]) & (found.clock == found.clock[row] - 2 * HOUR)
        expected = panel.values[same, 1]
        assert value == expected[0] if len(expected) else np.isnan(value)


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 99), horizon=st.integers(1, 6), lag=st.integers(1, 9), masks=st.booleans())
def test_no_value_after_the_origin_reaches_an_input(seed, horizon, lag, masks):
    """Whatever the gaps: windows whose horizon is changed have the same inputs."""
    random = np.random.default_rng(seed)
    rows = 80
    values = random.normal(size=rows)
    dropped = random.random(rows) < 0.05
    dropped[[0, -1]] = False
    covariates = Covariates({"lags": TargetLags(lags=[horizon + lag]), "c": Calendar(parts=["hour"])})
    windows = Windows(context=3, horizon=horizon)
    grid = MaskGrid() if masks else SplitGrid()

    def batches(values: np.ndarray) -> object:
        return prepare(
            series_of(values).without(dropped),
            grid=grid,
            split=FractionSplit(validation=0.0, test=0.0),
            scaler=NoScaling(),
            windows=windows,
            covariates=covariates,
        )

    try:
        prepared = batches(values)
    except DataError:
        return  # too little is left between the gaps
    start = int(random.choice(prepared.starts.train.numpy()))
    origin = prepared.panel.clock[start + 2]
    later = np.arange(rows) > np.searchsorted(series_of(values).clock, origin)
    changed = batches(np.where(later, values + 100, values))
    one, other = (found.storage.windows(torch.tensor([start]), 3, horizon) for found in (prepared, changed))
    assert torch.equal(one.history, other.history)
    assert torch.equal(one.known, other.known)


def test_constituents_are_what_harmonic_analysis_fits():
    panel = TideSimulator(days=20.0, gaps=False).read()
    found = added(panel, t=TidalConstituents(constituents=CONSTITUENTS))
    basis = np.column_stack([found.values[:, 1:], np.ones(len(panel))])
    fitted = basis @ np.linalg.lstsq(basis, panel.values[:, 0], rcond=None)[0]
    times = panel.clock.astype(np.int64) / 3.6e12
    harmonic = Harmonic(constituents=CONSTITUENTS)
    harmonic.fit(History(panel.values, times, np.array([0]), 1, 1))
    expected = harmonic.forecast(Origins(panel.values[:, None], times[:, None], times[:, None]))[:, 0, 0]
    assert fitted == pytest.approx(expected, abs=1e-8)
    tide = FittedTide(constituents=CONSTITUENTS)
    items = np.zeros(len(panel), dtype=np.int64)
    numbers = tide.fit(panel, slice(None))
    assert tide.at(panel.clock, items, panel, horizon=1, numbers=numbers)[:, 0] == pytest.approx(expected, abs=1e-8)


def test_the_fitted_tide_knows_training_rows_alone_and_lives_in_the_spec():
    source = TideSimulator(days=20.0, gaps=False)
    panel = source.read()
    options = {
        "grid": SplitGrid(),
        "split": FractionSplit(),
        "scaler": Standard(),
        "windows": Windows(context=6, horizon=3),
        "covariates": Covariates({"tide": FittedTide(constituents=CONSTITUENTS)}),
    }
    spec = prepare(panel, **options).spec
    changed = panel.values.copy()
    changed[round(0.7 * len(panel)) :] += 5
    assert prepare(replace(panel, values=changed), **options).spec.fitted == spec.fitted
    assert len(spec.fitted["tide"]) == 7
    assert checked_series_spec(spec.to_dict()) == spec
    before = {name: value for name, value in spec.to_dict().items() if name != "fitted"}
    assert checked_series_spec(before).fitted == {}
    # Another file is read with the numbers of the training.
    other = prepare(replace(panel, values=panel.values + 5), **options, trained=spec)
    assert other.panel.role("known") == pytest.approx(prepare(panel, **options).panel.role("known"))


def test_a_tide_of_chosen_constituents_is_that_of_the_same_given():
    panel = TideSimulator(days=40.0, gaps=False).read()
    tide, items = FittedTide(), np.zeros(len(panel), dtype=np.int64)
    numbers = tide.fit(panel, slice(None))
    names = tide.facts(panel, numbers)["constituents"]
    assert "M2" in names
    given = FittedTide(constituents=names)
    expected = given.at(panel.clock, items, panel, horizon=1, numbers=given.fit(panel, slice(None)))
    assert tide.at(panel.clock, items, panel, horizon=1, numbers=numbers) == pytest.approx(expected, abs=1e-9)
    assert given.facts(panel, given.fit(panel, slice(None)))["constituents"] == names
    with pytest.raises(ConfigurationError, match="7 fitted numbers, expected"):
        tide.at(panel.clock, items, panel, horizon=1, numbers=numbers[:7])


def test_several_series_have_no_tide_in_common():
    with pytest.raises(DataError, match=r"2 series, each with a tide of its own.*TidalConstituents"):
        FittedTide(constituents=CONSTITUENTS).fit(panel_of([[30], [30]]), slice(None))


def test_computed_columns_keep_their_own_scale_and_batches_have_them():
    data = small_data(periods=None, features={"c": Calendar(parts=["hour", "day_of_year"])})
    spec = data.spec
    assert [c.role for c in spec.columns] == ["target"] + ["known"] * 4
    assert spec.offset[1:] == (0.0,) * 4
    assert spec.scale[1:] == (1.0,) * 4
    batch = next(iter(data.loader("test")))
    assert batch.known.shape[1:] == (10, 4)
    assert torch.allclose(batch.known[..., :2].norm(dim=-1), torch.ones(()))


def test_two_columns_of_one_name_are_refused():
    panel = replace(series_of(np.zeros(30)), columns=columns_of(targets=["c.weekend"]))
    with pytest.raises(ConfigurationError, match=r"two columns are called 'c\.weekend'"):
        added(panel, c=Calendar(parts=["weekend"]))


@given(
    steps=st.lists(st.integers(1, 5), min_size=1, max_size=19),
    observed=st.lists(st.booleans(), min_size=20, max_size=20),
)
def test_elapsed_time_is_that_of_the_recursion(steps, observed):
    hours = np.concatenate([[0], np.cumsum(steps)])
    values = np.where(observed[: len(hours)], 1.0, np.nan)
    times = np.datetime64("2024-01-01", "ns") + hours * HOUR
    found = column(added(replace(series_of(values), times=times), keep_gaps=True, e=Elapsed()), "e.since price")
    expected, elapsed = [np.nan], np.nan
    for row in range(1, len(hours)):
        elapsed = hours[row] - hours[row - 1] + (0 if observed[row - 1] else elapsed)
        expected.append(elapsed)
    np.testing.assert_allclose(np.exp(found), expected)


def test_elapsed_time_is_an_input_up_to_the_origin_of_each_series():
    panel = added(panel_of([[5, 3], [4]]), keep_gaps=True, e=Elapsed())
    assert [panel.names.index(f"e.since {name}") for name in "ab"] == [4, 5]
    assert {panel.columns[place].role for place in (4, 5)} == {"past"}
    since = column(panel, "e.since a")
    # A piece of an item goes on behind a gap; another item begins anew.
    assert np.flatnonzero(np.isnan(since)).tolist() == [0, 8]
    assert np.exp(since[5]) == pytest.approx(20)
    assert Covariates({"e": Elapsed()}).ahead(panel, panel.clock[[7, 11]][:, None] + HOUR, {}, panel.columns) == {}

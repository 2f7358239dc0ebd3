"""Grids: what becomes of missing stamps and of rows off the grid; and the stamps after the last one."""

import logging
import os
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recast.data.panel import Panel, columns_of
from recast.data.prepare.grid import ErrorGrid, InterpolateGrid, MaskGrid, RowsGrid, SplitGrid
from recast.data.sources.lattice import after, find_lattice, is_regular
from recast.data.sources.sea_level import SeaLevelSource
from recast.data.sources.sines import TwoSines
from recast.errors import ConfigurationError, DataError

MINUTE = np.timedelta64(60, "s").astype("timedelta64[ns]")
POLICIES = [ErrorGrid(), SplitGrid(), InterpolateGrid(max_steps=2), MaskGrid(max_steps=2), MaskGrid(), RowsGrid()]


def stamps(*words):
    return np.array([f"2020-01-01T{word}" for word in words], "datetime64[ns]")


def series_at(times, values=None, step="10min", starts=(0,)):
    values = np.arange(len(times), dtype=float) if values is None else np.asarray(values, dtype=float)
    return Panel(
        columns=columns_of(targets=["a"], past=["b"], units={"a": "m", "b": "m"}),
        values=np.column_stack([values, -2 * values]),
        times=times,
        step=step,
        starts=np.array(starts, dtype=np.int64),
        label="gauge.csv",
        timezone="UTC",
    )


def assert_regular(series):
    for first, stop in series.pieces:
        assert stop > first
        step = pd.tseries.frequencies.to_offset(series.step)
        expected = pd.date_range(series.times[first], periods=stop - first, freq=step)
        assert np.array_equal(series.times[first:stop], expected.to_numpy().astype("datetime64[ns]"))


@pytest.fixture
def santos():
    path = Path(os.environ.get("RECAST_DATA_DIR", "data")) / "santos_ssh.csv"
    if not path.exists():
        pytest.skip("santos_ssh.csv is absent")
    return SeaLevelSource(path=str(path)).read()


def test_santos_has_607_stamps_missing_and_12_rows_off_the_grid(santos, caplog):
    with pytest.raises(DataError) as error:
        ErrorGrid().apply(santos)
    assert "607 stamps of the 10min grid are missing and 12 rows lie off it" in str(error.value)
    assert "the first offence is 2020-01-03 03:00:00 (missing)" in str(error.value)
    with caplog.at_level(logging.INFO):
        pieces = SplitGrid().apply(santos)
        filled = InterpolateGrid(max_steps=6).apply(santos)
    assert (
        "25613 rows, 607 stamps missing, 12 rows off the grid: 12 rows dropped, 0 stamps filled, 12 pie" in caplog.text
    )
    # Runs of 2, 1, 5, 1, 7, 1, 576, 6, 1, 4 and 3 stamps: nine of at most 6 hold 24.
    assert (
        "25613 rows, 607 stamps missing, 12 rows off the grid: 12 rows dropped, 24 stamps filled, 3 pie" in caplog.text
    )
    assert (len(pieces), len(pieces.starts)) == (25_601, 12)
    assert (len(filled), len(filled.starts)) == (25_625, 3)
    assert_regular(pieces)
    assert_regular(filled)
    # The row at 20:17 lies on the line that fills 20:20.
    at = {str(stamp)[:16]: value for stamp, value in zip(filled.times, filled.values[:, 0], strict=True)}
    assert at["2020-04-24T20:20"] == pytest.approx(1.31 + 0.3 * (1.27 - 1.31), abs=1e-9)
    assert RowsGrid().apply(santos) is santos


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    ("start", "step"),
    [("2020-01-01T00:03", "10min"), ("2020-01-01", "B"), ("2020-01-31", "ME"), ("2020-01-06T09:30", "2B")],
)
def test_a_regular_series_stays_as_it_is(policy, start, step):
    times = pd.date_range(start, periods=30, freq=step).to_numpy().astype("datetime64[ns]")
    series = series_at(times, step=step)
    assert policy.apply(series) is series


@pytest.mark.parametrize("policy", POLICIES)
def test_one_row_is_regular(policy):
    series = series_at(stamps("00:03"))
    assert policy.apply(series) is series


@pytest.mark.parametrize(
    ("times", "offence"),
    [
        (
            stamps("00:00", "00:10", "00:30", "00:40"),
            (
                "1 stamps of the 10min grid are missing and 0 rows lie off it; the first "
                "offence is 2020-01-01 00:20:00 (missing)"
            ),
        ),
        (
            stamps("00:00", "00:10", "00:13", "00:20"),
            (
                "0 stamps of the 10min grid are missing and 1 rows lie off it; the first "
                "offence is 2020-01-01 00:13:00 (off the grid)"
            ),
        ),
        (
            stamps("00:00", "00:10", "00:17", "00:30", "01:00"),
            (
                "3 stamps of the 10min grid are missing and 1 rows lie off it; the first "
                "offence is 2020-01-01 00:17:00 (off the grid)"
            ),
        ),
        (
            stamps("00:03:00.5", "00:13:00.5", "00:33:00.5"),
            "the first offence is 2020-01-01 00:23:00.500000000 (missing)",
        ),
    ],
)
def test_error_names_the_first_offence_and_the_other_policies(times, offence):
    with pytest.raises(DataError) as error:
        ErrorGrid().apply(series_at(times))
    assert str(error.value).startswith("gauge.csv: not regular: ")
    assert offence in str(error.value)
    others = "split (cut there), interpolate (fill short gaps), mask (keep them as not observed), rows (ignore time)"
    assert others in str(error.value)


@pytest.mark.parametrize("step", ["10min", "B", "MS"])
def test_error_minds_the_steps_that_are_read_alone(step):
    times = pd.date_range("2020-01-01", periods=60, freq=step).to_numpy().astype("datetime64[ns]")
    kept = np.delete(np.arange(60), [20, 21])
    series = series_at(times[kept], kept, step)
    found = ErrorGrid().apply_to_end(series, 30)
    assert np.array_equal(found.times, times[22:])
    assert np.array_equal(found.values[:, 0], np.arange(22, 60))
    with pytest.raises(DataError, match="2 stamps of"):
        ErrorGrid().apply_to_end(series, 39)
    with pytest.raises(DataError, match="2 stamps of"):
        ErrorGrid().apply(series)


def test_a_value_not_observed_before_the_steps_that_are_read_does_not_matter():
    series = series_at(stamps(*(f"{hour:02}:00" for hour in range(20))), step="h")
    series.values[[3, 19], 1] = np.nan
    assert np.array_equal(ErrorGrid().apply_to_end(series, 15).values[:, 0], np.arange(4, 19))
    with pytest.raises(DataError, match="1 stamps of"):
        ErrorGrid().apply_to_end(series, 16)


def test_split_drops_rows_off_the_grid_then_cuts():
    times = stamps("00:00", "00:10", "00:13", "00:20", "00:33", "00:40", "00:50", "02:00")
    series = SplitGrid().apply(series_at(times))
    assert series.times.tolist() == stamps("00:00", "00:10", "00:20", "00:40", "00:50", "02:00").tolist()
    assert series.values[:, 0].tolist() == [0, 1, 3, 5, 6, 7]
    assert series.starts.tolist() == [0, 3, 5]
    assert (series.names, series.timezone, series.step, series.label) == (("a", "b"), "UTC", "10min", "gauge.csv")


def test_the_phase_of_the_grid_is_the_most_frequent_one():
    series = SplitGrid().apply(series_at(stamps("00:00", "00:07", "00:17", "00:30", "00:37")))
    assert series.times.tolist() == stamps("00:07", "00:17", "00:37").tolist()
    assert series.starts.tolist() == [0, 2]
    tie = SplitGrid().apply(series_at(stamps("00:05", "00:11", "00:15", "00:21")))
    assert tie.times.tolist() == stamps("00:05", "00:15").tolist()


def test_interpolate_fills_short_runs_only_and_uses_rows_off_the_grid():
    times = stamps("00:00", "00:15", "00:30", "01:00", "01:40", "01:50")
    series = InterpolateGrid(max_steps=2).apply(series_at(times, [0, 6, 3, 9, 0, 1]))
    assert (
        series.times.tolist()
        == stamps("00:00", "00:10", "00:20", "00:30", "00:40", "00:50", "01:00", "01:40", "01:50").tolist()
    )
    assert series.values[:, 0] == pytest.approx([0, 4, 5, 3, 5, 7, 9, 0, 1], abs=1e-12)
    assert series.values[:, 1] == pytest.approx(-2 * series.values[:, 0], abs=1e-12)
    assert series.starts.tolist() == [0, 7]


def test_pieces_of_a_panel_are_treated_one_by_one():
    # The second piece has another phase, overlaps the first in time, and lies beside it without a cut of its own.
    times = np.concatenate([stamps("00:00", "00:10", "00:30"), stamps("00:05", "00:15", "00:25"), stamps("00:00")])
    series = SplitGrid().apply(series_at(times, starts=(0, 3, 6)))
    assert series.starts.tolist() == [0, 2, 3, 6]
    assert series.times.tolist() == times.tolist()
    filled = InterpolateGrid(max_steps=1).apply(series_at(times, starts=(0, 3, 6)))
    assert filled.starts.tolist() == [0, 4, 7]
    assert_regular(filled)
    with pytest.raises(DataError, match="1 stamps of the 10min grid are missing and 0 rows lie off it"):
        ErrorGrid().apply(series_at(times, starts=(0, 3, 6)))


@pytest.mark.parametrize("policy", POLICIES)
def test_regular_pieces_of_different_phase_are_left_alone(policy):
    times = np.concatenate([stamps("00:00", "00:10"), stamps("00:05", "00:15")])
    series = series_at(times, starts=(0, 2))
    assert policy.apply(series) is series
    days = pd.bdate_range("2020-01-01", periods=3).to_numpy().astype("datetime64[ns]")
    business = series_at(np.concatenate([days, days + 540 * MINUTE]), step="B", starts=(0, 3))
    applied = policy.apply(business)
    assert applied.times.tolist() == business.times.tolist()
    assert applied.starts.tolist() == [0, 3]


def test_business_days_have_no_gap_at_the_weekend_but_at_a_holiday():
    days = np.array(["2019-12-31", "2020-01-02", "2020-01-03", "2020-01-04", "2020-01-06"], "datetime64[ns]")
    series = SplitGrid().apply(series_at(days, step="B"))
    assert series.times.tolist() == days[[0, 1, 2, 4]].tolist()  # the 4th was a Saturday
    assert series.starts.tolist() == [0, 1]
    filled = InterpolateGrid(max_steps=1).apply(series_at(days, step="B"))
    assert filled.starts.tolist() == [0]
    assert filled.values[1, 0] == pytest.approx(0.5)
    assert_regular(filled)
    with pytest.raises(DataError, match=r"the first offence is 2020-01-01 00:00:00 \(missing\)"):
        ErrorGrid().apply(series_at(days, step="B"))


def test_a_multiple_of_a_calendar_step_has_the_most_frequent_phase():
    times = pd.date_range("2020-01-07", periods=9, freq="2B").to_numpy().astype("datetime64[ns]")
    series = SplitGrid().apply(series_at(np.insert(times, 0, np.datetime64("2020-01-06")), step="2B"))
    assert series.times.tolist() == times.tolist()
    assert series.starts.tolist() == [0]


@pytest.mark.parametrize("policy", [SplitGrid(), InterpolateGrid(max_steps=3), MaskGrid()])
def test_a_series_without_a_row_on_its_grid_is_refused(policy):
    days = np.array(["2020-01-15", "2020-02-15", "2020-03-15"], "datetime64[ns]")
    for step in ("ME", "2ME"):
        with pytest.raises(DataError, match=f"no row lies on the grid of the step '{step}'; state the step the file"):
            policy.apply(series_at(days, step=step))


def test_options_are_checked():
    with pytest.raises(ConfigurationError, match="max_steps=0"):
        InterpolateGrid(max_steps=0)
    with pytest.raises(ConfigurationError, match="max_steps=0"):
        MaskGrid(max_steps=0)
    with pytest.raises(ConfigurationError, match="step='10x' is unknown"):
        SplitGrid().apply(series_at(stamps("00:00", "00:10"), step="10x"))


irregular = st.lists(st.integers(0, 90), min_size=1, max_size=40, unique=True).map(sorted)


@settings(max_examples=150, deadline=None)
@given(minutes=irregular, cut=st.integers(1, 39), step=st.sampled_from(["2min", "3min", "10min"]))
def test_split_gives_regular_pieces_of_observed_rows(minutes, cut, step):
    starts = [0, cut] if cut < len(minutes) else [0]
    before = series_at(np.datetime64("2020-01-01", "ns") + np.array(minutes) * MINUTE, step=step, starts=starts)
    after = SplitGrid(most=1.0).apply(before)
    assert_regular(after)
    rows = after.values[:, 0].astype(int)
    assert np.all(np.diff(rows) > 0)
    assert np.array_equal(before.times[rows], after.times)
    assert np.array_equal(before.values[rows], after.values)
    assert is_regular(after.times, after.starts, step)
    # Neighbours a step apart, in the same piece before, are not cut.
    length = pd.Timedelta(step).to_timedelta64()
    for row in set(after.starts.tolist()) - {0}:
        between = any(rows[row - 1] < start <= rows[row] for start in starts)
        assert between or after.times[row] - after.times[row - 1] != length


@settings(max_examples=150, deadline=None)
@given(minutes=irregular, longest=st.integers(1, 5), step=st.sampled_from([2, 3, 10]), data=st.data())
def test_interpolate_keeps_what_was_observed_and_fills_no_longer_run(minutes, longest, step, data):
    values = data.draw(st.lists(st.floats(-9, 9), min_size=len(minutes), max_size=len(minutes)))
    before = series_at(np.datetime64("2020-01-01", "ns") + np.array(minutes) * MINUTE, values, step=f"{step}min")
    after = InterpolateGrid(max_steps=longest, most=1.0).apply(before)
    assert_regular(after)
    observed = np.isin(after.times, before.times)
    on = np.isin(before.times, after.times)
    assert np.array_equal(after.values[observed], before.values[on])
    assert np.abs(after.values).max() <= np.abs(before.values).max()
    lattice = find_lattice(before.times, before.step)
    assert np.array_equal(on, lattice.on)
    kept = np.flatnonzero(observed)
    within = np.searchsorted(after.starts, kept, side="right")
    runs = np.diff(kept)[np.diff(within) == 0] - 1
    assert runs.max(initial=0) <= longest
    # A cut lies only where a longer run is missing.
    for row in after.starts[1:]:
        assert after.times[row] - after.times[row - 1] > (longest + 1) * step * MINUTE
    assert after.values[:, 0] == pytest.approx(_line(before, after.times), abs=1e-9)


def _line(before, times):
    since = before.times[0]
    return np.interp((times - since).astype(float), (before.times - since).astype(float), before.values[:, 0])


def with_gaps(minutes, step, data):
    """A series at these minutes some of whose values were not observed."""
    before = series_at(np.datetime64("2020-01-01", "ns") + np.array(minutes) * MINUTE, step=step)
    cells = st.lists(st.tuples(st.integers(0, len(minutes) - 1), st.integers(0, 1)), max_size=len(minutes))
    values = before.values.copy()
    for row, column in data.draw(cells):
        values[row, column] = np.nan
    return replace(before, values=values)


@settings(max_examples=150, deadline=None)
@given(
    minutes=irregular,
    longest=st.one_of(st.none(), st.integers(1, 5)),
    step=st.sampled_from(["2min", "3min", "10min"]),
    data=st.data(),
)
def test_mask_gives_the_whole_lattice_and_keeps_what_was_observed(minutes, longest, step, data):
    before = with_gaps(minutes, step, data)
    after = MaskGrid(max_steps=longest, most=1.0).apply(before)
    assert_regular(after)
    observed = np.isin(after.times, before.times)
    on = np.isin(before.times, after.times)
    assert np.array_equal(on, find_lattice(before.times, step).on)
    np.testing.assert_array_equal(after.values[observed], before.values[on])
    assert np.isnan(after.values[~observed]).all()
    if longest is None:
        assert after.starts.tolist() == [0]
    else:
        complete = replace(before, values=np.nan_to_num(before.values))
        filled = InterpolateGrid(max_steps=longest, most=1.0).apply(complete)
        assert after.times.tolist() == filled.times.tolist()
        assert after.starts.tolist() == filled.starts.tolist()


@settings(max_examples=100, deadline=None)
@given(minutes=irregular, cut=st.integers(1, 39), step=st.sampled_from(["2min", "3min", "10min"]))
def test_the_observed_rows_of_mask_are_those_of_split(minutes, cut, step):
    starts = [0, cut] if cut < len(minutes) else [0]
    before = series_at(np.datetime64("2020-01-01", "ns") + np.array(minutes) * MINUTE, step=step, starts=starts)
    masked, cut_up = MaskGrid(most=1.0).apply(before), SplitGrid(most=1.0).apply(before)
    observed = ~np.isnan(masked.values).any(axis=1)
    assert masked.times[observed].tolist() == cut_up.times.tolist()
    assert np.array_equal(masked.values[observed], cut_up.values)
    if observed.all():
        assert masked.starts.tolist() == cut_up.starts.tolist()


def test_mask_cuts_at_gaps_longer_than_stated():
    times = stamps("00:00", "00:10", "00:40", "00:50", "02:00")
    short, every = (MaskGrid(max_steps=longest).apply(series_at(times)) for longest in (2, None))
    assert short.times.tolist() == stamps("00:00", "00:10", "00:20", "00:30", "00:40", "00:50", "02:00").tolist()
    assert short.starts.tolist() == [0, 6]
    assert np.isnan(short.values[:, 0]).tolist() == [False, False, True, True, False, False, False]
    assert len(every) == 13
    assert every.starts.tolist() == [0]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_value_not_observed_is_kept_by_mask_alone(policy, caplog):
    series = series_at(stamps("00:00", "00:10", "00:20", "00:30"))
    series = replace(series, values=np.array([[0, 1], [np.nan, 1], [2, 1], [3, 1]]))
    if isinstance(policy, MaskGrid):
        assert policy.apply(series) is series
        return
    with caplog.at_level(logging.INFO):
        if isinstance(policy, ErrorGrid):
            with pytest.raises(DataError, match=r"1 stamps of the 10min grid are missing"):
                policy.apply(series)
        else:
            found = policy.apply(series)
            assert not np.isnan(found.values).any()
            assert len(found) == (4 if isinstance(policy, InterpolateGrid) else 3)
    assert "gauge.csv: 1 of 4 rows dropped: a value was not observed" in caplog.text


def test_interpolated_categories_hold_the_last_level():
    times = stamps("00:00", "00:10", "00:40", "00:50")
    series = series_at(times)
    columns = columns_of(targets=["a"], past=["b"], levels={"b": ("low", "middle", "high")})
    series = replace(series, columns=columns, values=np.array([[0.0, 0], [1, 2], [4, 0], [5, 1]]))
    filled = InterpolateGrid(max_steps=2).apply(series)
    assert filled.values.tolist() == [[0, 0], [1, 2], [2, 2], [3, 2], [4, 0], [5, 1]]


def test_items_keep_their_pieces_on_a_grid():
    times = np.concatenate([stamps("00:00", "00:10", "00:40"), stamps("00:00", "00:20"), stamps("00:05")])
    panel = replace(
        series_at(times, starts=(0, 3, 5)), items=np.array([0, 1, 1]), ids=("1", "2"), static_values=np.empty((2, 0))
    )
    cut_up, masked = SplitGrid().apply(panel), MaskGrid(max_steps=1).apply(panel)
    assert cut_up.items.tolist() == [0, 0, 1, 1, 1]
    assert masked.items.tolist() == [0, 0, 1, 1]
    assert masked.starts.tolist() == [0, 2, 3, 6]
    assert masked.ids == ("1", "2")


@given(minutes=irregular)
def test_rows_is_the_identity(minutes):
    series = series_at(np.datetime64("2020-01-01", "ns") + np.array(minutes) * MINUTE)
    assert RowsGrid().apply(series) is series


def test_ten_thousand_pieces_take_no_time():
    panel = TwoSines(series=10_000).read()
    days = panel.times[0] + (panel.times - panel.times[0]) * 86_400
    begin = time.process_time()
    for policy in POLICIES:
        assert policy.apply(panel) is panel
    assert SplitGrid().apply(replace(panel, times=days, step="D")).starts is panel.starts
    assert time.process_time() - begin < 1


@pytest.mark.parametrize(
    ("last", "step", "expected"),
    [
        ("2020-02-28T23:50", "10min", ["2020-02-29T00:00", "2020-02-29T00:10", "2020-02-29T00:20"]),
        ("2020-02-28T00:03", "D", ["2020-02-29T00:03", "2020-03-01T00:03", "2020-03-02T00:03"]),
        ("2020-01-02", "B", ["2020-01-03", "2020-01-06", "2020-01-07"]),
        ("2020-01-03T16:00", "B", ["2020-01-06T16:00", "2020-01-07T16:00", "2020-01-08T16:00"]),
        ("2020-01-04", "B", ["2020-01-06", "2020-01-07", "2020-01-08"]),
        ("2020-01-03", "2B", ["2020-01-07", "2020-01-09", "2020-01-13"]),
        ("2020-01-31", "ME", ["2020-02-29", "2020-03-31", "2020-04-30"]),
        ("2020-01-15", "MS", ["2020-02-15", "2020-03-15", "2020-04-15"]),
        ("2020-01-31T06:00", "MS", ["2020-02-29T06:00", "2020-03-31T06:00", "2020-04-30T06:00"]),
        ("2020-02-15", "QS", ["2020-05-16", "2020-08-15", "2020-11-15"]),
    ],
)
def test_stamps_follow_the_last_on_its_own_grid(last, step, expected):
    times = after(np.datetime64(last), step, 3)
    assert times.dtype == np.dtype("datetime64[ns]")
    assert times.tolist() == np.array(expected, "datetime64[ns]").tolist()
    assert after(np.datetime64(last), step, 1).tolist() == times[:1].tolist()


def test_stamps_that_follow_refuse_an_unknown_step():
    with pytest.raises(ConfigurationError, match="step='fortnight' is unknown"):
        after(np.datetime64("2020-01-01"), "fortnight", 3)

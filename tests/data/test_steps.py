"""The step that rows have: read from the stamps, compared with what is said of it, counted in local days and months."""

import logging
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from panels import panel_of, spec_of

from recast.data.prepare.describe import check_columns
from recast.data.prepare.future import future_times
from recast.data.prepare.grid import ErrorGrid, InterpolateGrid, MaskGrid, RowsGrid, SplitGrid
from recast.data.sources.csv_file import CsvSource
from recast.data.sources.frame import FrameSource, FrameTable
from recast.data.sources.sea_level import SeaLevelSource
from recast.data.sources.step import infer_step
from recast.data.sources.stock import StockSource
from recast.errors import ConfigurationError, DataError


@pytest.fixture
def write(tmp_path):
    def write_rows(stamps, header="t,v"):
        path = tmp_path / "level.csv"
        rows = "".join(f"{stamp},{10 + number % 7}\n" for number, stamp in enumerate(stamps))
        path.write_text(f"{header}\n{rows}")
        return str(path)

    return write_rows


@pytest.fixture
def source(write):
    def source_of(stamps, **options):
        return CsvSource(path=write(stamps), time="t", targets=["v"], **options)

    return source_of


def stamps(start, rows, step):
    return pd.date_range(start, periods=rows, freq=step)


def utc(*words):
    return np.array(words, "datetime64[ns]").tolist()


def following(panel, count=5):
    return future_times(panel, panel.step, count)[0].tolist()


@pytest.mark.parametrize("step", ["min", "h"])
def test_sea_level_is_read_at_the_step_of_its_file(write, step):
    path = write(stamps("2020-01-01", 300, step), header="datetime,ssh")
    panel = SplitGrid().apply(SeaLevelSource(path=path).read())
    assert (panel.step, len(panel), len(panel.starts)) == (step, 300, 1)
    with pytest.raises(DataError) as error:
        SeaLevelSource(path=path, step="10min").read()
    said = f"the step of its rows is {step} (299 of 299 differences), not 10min; say so: data.source.step={step}"
    assert said in str(error.value)


@pytest.mark.parametrize("policy", [SplitGrid(), InterpolateGrid(max_steps=6), MaskGrid(), RowsGrid()])
def test_another_step_is_refused_whatever_the_grid(source, policy):
    with pytest.raises(DataError, match=r"the step of its rows is h \(99 of 99 differences\), not 10min"):
        policy.apply(source(stamps("2020-01-01", 100, "h"), step="10min").read())


@pytest.mark.parametrize(("kept", "step"), [(0.6, "10min"), (0.3, "10min"), (0.5, "B"), (0.5, "D")])
def test_rows_missing_at_random_leave_the_step_as_it_is(source, kept, step):
    chosen = np.random.default_rng(0).random(2000) < kept
    assert source(stamps("2020-01-01", 2000, step)[chosen], step=step).read().step == step


def test_every_other_row_missing_is_another_step(source):
    with pytest.raises(DataError, match="the step of its rows is 20min"):
        source(stamps("2020-01-01", 2000, "10min")[::2], step="10min").read()


def test_bars_have_the_step_of_their_market(write):
    def bars(market, **options):
        return StockSource(path=write(stamps("2020-01-01", 60, market), header="Date,Close"), **options)

    assert [bars(step).read().step for step in ("B", "D", "h")] == ["B", "D", "h"]
    # The first Saturday after Wednesday, 1 January, and 60 days.
    assert following(bars("D").read(), 2) == utc("2020-03-01", "2020-03-02")
    assert following(bars("h").read(), 2) == utc("2020-01-03T12", "2020-01-03T13")
    with pytest.raises(DataError, match=r"the step of its rows is D \(59 of 59 differences\), not B"):
        bars("D", step="B").read()
    with pytest.raises(DataError, match=r"the step of its rows is h \(59 of 59 differences\), not B"):
        bars("h", step="B").read()


def test_bars_at_local_midnight_go_on_by_local_weekdays(write):
    days = pd.bdate_range("2019-01-01", "2021-04-19", tz="Europe/Berlin")
    for zone in (None, "Europe/Berlin"):
        panel = StockSource(path=write(days, header="Date,Close"), timezone=zone).read()
        assert (panel.step, panel.timezone) == ("B", "UTC")
        assert following(panel)[-1:] == utc("2021-04-25T22:00")
        assert RowsGrid().apply(panel) is panel
        assert ErrorGrid().apply(panel) is panel


def test_local_midnights_through_a_change_of_clocks_are_civil_days(source):
    days = pd.date_range("2019-01-01", "2020-02-04", tz="Europe/Berlin")
    panel = source(days).read()
    assert panel.step == "D"
    assert SplitGrid().apply(panel) is panel
    assert following(panel, 2) == utc("2020-02-04T23:00", "2020-02-05T23:00")
    # A day is missing on either side of the change; the filled stamps are local midnights as well.
    gap = days.delete([88, 95])
    filled = InterpolateGrid(max_steps=1).apply(source(gap).read())
    assert filled.times.tolist() == panel.times.tolist()
    # Where the day of the change itself is missing, only the zone knows.
    filled = InterpolateGrid(max_steps=1).apply(source(days.delete(90), timezone="Europe/Berlin").read())
    assert filled.times.tolist() == panel.times.tolist()
    cut = SplitGrid().apply(source(gap).read())
    assert len(cut.starts) == 3


def test_a_named_zone_knows_the_change_to_come(source):
    days = pd.date_range("2021-01-01", "2021-03-26", tz="Europe/Berlin")
    assert following(source(days, timezone="Europe/Berlin").read(), 4) == utc(
        "2021-03-26T23:00", "2021-03-27T23:00", "2021-03-28T22:00", "2021-03-29T22:00"
    )
    # Offsets alone do not: the last one holds on.
    assert following(source(days).read(), 4)[-1:] == utc("2021-03-29T23:00")
    frame = pd.DataFrame({"t": days, "v": np.arange(len(days)) % 7.0})
    panel = FrameSource(time="t", targets=["v"]).for_table(FrameTable(frame, "t")).read()
    assert following(panel, 4)[-1:] == utc("2021-03-29T22:00")


def test_hours_with_offsets_are_those_of_utc(source):
    hours = pd.date_range("2021-03-27", periods=96, freq="h", tz="Europe/Berlin")
    panel = source(hours).read()
    assert panel.step == "h"
    assert ErrorGrid().apply(panel) is panel


@pytest.mark.parametrize(
    ("days", "step", "expected"),
    [
        (pd.date_range("1970-01-01", "2019-12-31", freq="MS") + pd.Timedelta("14D"), "MS", "2020-01-15"),
        (pd.date_range("2019-01-01", periods=12, freq="MS"), "MS", "2020-01-01"),
        (pd.date_range("2019-01-31", periods=12, freq="ME"), "ME", "2020-01-31"),
        (pd.date_range("2016-02-01", periods=8, freq="3MS") + pd.Timedelta("9D"), "3MS", "2018-02-10"),
        (pd.date_range("2016-03-31", periods=8, freq="QE"), "3ME", "2018-03-31"),
        (pd.date_range("2010-07-01", periods=8, freq="12MS"), "12MS", "2018-07-01"),
        (pd.date_range("2010-07-01", periods=8, freq="28D"), "28D", "2011-02-10"),
    ],
)
def test_months_are_read_from_the_stamps(source, days, step, expected):
    panel = source(days).read()
    assert panel.step == step
    assert ErrorGrid().apply(panel) is panel
    assert following(panel, 1) == utc(expected)
    assert source(days, step=step).read().step == step


def test_a_missing_month_is_a_gap_on_its_own_day(source):
    days = (pd.date_range("2018-01-01", periods=24, freq="MS") + pd.Timedelta("14D")).delete(5)
    filled = InterpolateGrid(max_steps=1).apply(source(days).read())
    assert filled.times[5] == np.datetime64("2018-06-15")
    assert len(filled) == 24


def test_the_step_of_training_is_tested_not_read_anew(source):
    week = source(pd.bdate_range("2021-07-12", periods=5))
    assert week.read().step == "D"
    panel = week.with_step("B").read()
    assert panel.step == "B"
    assert following(panel, 1) == utc("2021-07-19")
    with pytest.raises(
        DataError, match=r"step of its rows is D \(4 of 4 differences\), but the model was trained on h"
    ):
        week.with_step("h").read()


# A clock that runs unevenly


def drifting(rows=3000):
    return pd.Timestamp("2021-01-01") + (600_007_000_000 * np.arange(rows)).astype("timedelta64[ns]").astype(
        "timedelta64[s]"
    ).astype("timedelta64[ns]")


def test_a_drifting_clock_is_rounded_within_a_tolerance(source, caplog):
    rows = drifting()
    with pytest.raises(DataError) as error:
        SplitGrid().apply(source(rows).read())
    said = "2857 of 3000 rows lie off the 10min grid and would be dropped; all lie within 20s of it"
    assert said in str(error.value)
    assert "data.source.tolerance=30s" in str(error.value)
    assert "data.grid.most=0.96" in str(error.value)
    with pytest.raises(DataError, match=r"round them by data\.source\.tolerance=30s"):
        ErrorGrid().apply(source(rows).read())
    assert len(SplitGrid(most=0.96).apply(source(rows).read())) == 143
    with caplog.at_level(logging.INFO):
        panel = source(rows, tolerance="30s").read()
    assert "2857 of 3000 stamps rounded to the 10min grid, by 20s at most (tolerance 30s)" in caplog.text
    assert ErrorGrid().apply(panel) is panel
    assert panel.times[-1] == np.datetime64("2021-01-21T19:50")


def test_jitter_is_rounded_to_the_roundest_grid(source):
    jitter = np.random.default_rng(0).integers(-400, 400, 500).astype("timedelta64[ms]")
    rows = stamps("2021-01-01", 500, "15min") + jitter
    panel = source(rows, tolerance="1s").read()
    assert panel.step == "15min"
    assert panel.times.tolist() == utc(*stamps("2021-01-01", 500, "15min").to_numpy())


def test_rows_beyond_the_tolerance_stay_off_the_grid(source):
    rows = stamps("2021-01-01", 100, "10min").to_series(index=range(100))
    rows[40] += pd.Timedelta("3min")
    rows[50] += pd.Timedelta("3s")
    panel = source(rows, tolerance="10s").read()
    assert len(SplitGrid().apply(panel)) == 99
    with pytest.raises(
        DataError, match=r"line 53, column 't': found '.*', which belongs to the same stamp of the 10min"
    ):
        source(sorted([*rows, pd.Timestamp("2021-01-01 08:19:58")]), tolerance="10s", step="10min").read()


@pytest.mark.parametrize("tolerance", ["soon", "0s", "-3s"])
def test_a_tolerance_is_a_length_of_time(source, tolerance):
    with pytest.raises(ConfigurationError, match="is no length of time"):
        source(stamps("2021-01-01", 3, "h"), tolerance=tolerance)


def test_a_tolerance_of_half_a_step_is_refused(source):
    with pytest.raises(ConfigurationError, match="tolerance=5min is half of the step of 10min or longer"):
        source(stamps("2021-01-01", 30, "10min"), tolerance="5min").read()


# The hour that comes twice

AUTUMN = pd.date_range("2021-10-30", periods=60, freq="h", tz="Europe/Berlin").tz_localize(None)


@pytest.mark.parametrize("step", ["h", "10min"])
def test_a_doubled_hour_is_named_and_told_apart_by_order(source, step):
    true = pd.date_range("2021-10-30", periods=400, freq=step, tz="Europe/Berlin")
    naive = true.tz_localize(None)
    with pytest.raises(DataError) as error:
        source(naive).read()
    assert "clocks turned back from summer time: name their zone, as in data.source.timezone=Europe" in str(error.value)
    assert "delete" not in str(error.value)
    panel = source(naive, timezone="Europe/Berlin").read()
    assert (panel.timezone, panel.step) == ("UTC", step)
    assert panel.times.tolist() == utc(*true.tz_convert("UTC").tz_localize(None).to_numpy())
    assert ErrorGrid().apply(panel) is panel


def test_a_doubled_hour_that_stands_once_needs_a_rule(source):
    once = AUTUMN.unique()
    with pytest.raises(DataError, match=r"stands here once; .* data\.source\.doubled_hour=summer \(the first\)"):
        source(once, timezone="Europe/Berlin").read()
    row = once.get_loc(pd.Timestamp("2021-10-31 02:00"))
    for rule, expected in (("summer", "2021-10-31T00:00"), ("winter", "2021-10-31T01:00")):
        panel = source(once, timezone="Europe/Berlin", doubled_hour=rule).read()
        assert panel.times[row] == np.datetime64(expected)


def test_an_hour_that_clocks_leave_out_says_that_the_zone_is_another(source):
    hours = stamps("2021-03-27", 72, "h")
    with pytest.raises(
        DataError, match="found '2021-03-28 02:00:00', an hour that the clocks of Europe/Berlin leave out"
    ):
        source(hours, timezone="Europe/Berlin").read()
    assert source(hours, timezone="Etc/GMT-1").read().times[0] == np.datetime64("2021-03-26T23:00")
    with pytest.raises(ConfigurationError, match=r"timezone='Europe/Berlim' is no zone; did you mean Europe/Berlin"):
        source(hours, timezone="Europe/Berlim")


def test_a_file_of_several_series_is_not_to_be_averaged(source):
    hours = stamps("2021-01-01", 50, "h")
    with pytest.raises(DataError) as error:
        source([*hours, *hours]).read()
    assert "the 100 rows have 50 different stamps, as in a file of several series one below the other" in str(
        error.value
    )
    assert "deleting the duplicates would lose 50 rows, and averaging them would mix the series" in str(error.value)


def test_inferring_is_not_misled_by_a_tolerance():
    times = stamps("2021-01-01", 50, "90s").to_numpy().astype("datetime64[ns]")
    assert infer_step(times, "x", np.timedelta64(30, "s").astype("timedelta64[ns]")) == "90s"


def test_a_zone_is_compared_with_that_of_the_training():
    panel = panel_of([[5]])
    spec = spec_of(panel, masked=False)
    for found, trained, remedy in (
        ("UTC", None, "write its stamps without a zone, in the local time of the training"),
        (None, "UTC", "write a zone or an offset after each stamp, or name the zone: data.source.timezone=UTC"),
    ):
        with pytest.raises(DataError) as error:
            check_columns(replace(panel, timezone=found), replace(spec, timezone=trained))
        assert "time zone" in str(error.value)
        assert remedy in str(error.value)

"""Tables in long form: several series in one table, told apart by a column that names them."""

import itertools
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recast.data.panel import Panel
from recast.data.sources import sentinels
from recast.data.sources.csv_file import CsvSource
from recast.data.sources.frame import FrameSource, FrameTable
from recast.data.sources.sentinels import find_sentinel, find_sentinel_of_items
from recast.errors import ConfigurationError, DataError

HOUR = pd.Timedelta(hours=1)


def series_of(lengths: list[int], seed: int = 0) -> pd.DataFrame:
    """A series for each length: it begins a day after the one before, and has a depth of its own."""
    random = np.random.default_rng(seed)
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "site": f"site {number}",
                    "when": pd.date_range("2024-01-01", periods=length, freq="h") + 24 * number * HOUR,
                    "level": random.normal(size=length),
                    "wind": random.normal(size=length),
                    "depth": 10.0 * number,
                }
            )
            for number, length in enumerate(lengths)
        ],
        ignore_index=True,
    )


def panel_of(frame: pd.DataFrame, **options: object) -> Panel:
    source = FrameSource(**({"time": "when", "targets": ["level"], "id": "site", "past": ["wind"]} | options))
    return source.for_table(FrameTable(frame, "when", id="site")).read()


def of_item(panel: Panel, item: int) -> slice:
    return slice(*panel.pieces[item])


@settings(max_examples=30, deadline=None)
@given(lengths=st.lists(st.integers(2, 9), min_size=1, max_size=6), seed=st.integers(0, 99), mixed=st.booleans())
def test_each_series_is_the_rows_of_its_name_in_their_order(lengths, seed, mixed):
    frame = series_of(lengths, seed)
    if mixed:
        places = np.random.default_rng(seed).permutation(len(frame))
        frame = frame.iloc[places].sort_values("when", kind="stable")
    panel = panel_of(frame, static=["depth"])
    assert panel.ids == tuple(frame["site"].unique())
    assert panel.step == "h"
    for item, name in enumerate(panel.ids):
        own = frame[frame["site"] == name]
        rows = of_item(panel, item)
        np.testing.assert_array_equal(panel.clock[rows], own["when"].to_numpy())
        np.testing.assert_array_equal(panel.values[rows], own[["level", "wind"]].to_numpy())
        assert panel.static_values[item].tolist() == [own["depth"].iloc[0]]


def test_a_file_is_read_as_its_frame(tmp_path):
    frame = series_of([5, 3, 7]).sample(frac=1, random_state=1).sort_values("when", kind="stable")
    frame.to_csv(tmp_path / "sites.csv", index=False)
    source = CsvSource(
        path=str(tmp_path / "sites.csv"), time="when", targets=["level"], id="site", past=["wind"], missing=[]
    )
    found, expected = source.read(), panel_of(frame, missing=[])
    assert found.ids == expected.ids
    for name in ("values", "starts", "items", "times"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


@pytest.mark.parametrize("index", [["site", "when"], ["when", "site"], ["when"], ["site"]])
@pytest.mark.parametrize("is_named", [True, False])
def test_time_and_names_may_be_levels_of_the_index(index, is_named):
    frame = series_of([4, 4])
    other = frame.set_index(index)
    if not is_named and index != ["site"]:
        other = other.rename_axis(index=[None] * len(index))
    found, expected = panel_of(other), panel_of(frame)
    assert found.ids == expected.ids
    np.testing.assert_array_equal(found.values, expected.values)


def test_an_index_of_one_level_without_name_or_dates_is_no_column():
    with pytest.raises(DataError, match="no column 'site'; the frame has 'when', 'level'"):
        panel_of(series_of([4]).drop(columns="site"))


@pytest.mark.parametrize(
    ("change", "options", "says"),
    [
        (lambda f: f.assign(site=f["site"].mask(f.index == 5)), {}, "row 5, column 'site': found 'nan'; expected the"),
        (lambda f: f.assign(site=f["site"].mask(f.index == 5, "  ")), {}, "row 5, column 'site': found '  '"),
        (
            lambda f: pd.concat([f, f[f.index == 6]]),
            {},
            "row 12, column 'when': found '2024-01-02 00:00:00' of 'site 1', which row 6 has too (1 duplicate",
        ),
        (
            lambda f: f.iloc[[0, 1, 3, 2, *range(4, 12)]],
            {},
            "row 3, column 'when': found '2024-01-01 02:00:00' of 'site 0', before the stamp of row 2; expected",
        ),
        (
            lambda f: f.assign(depth=f.index),
            {"static": ["depth"]},
            "row 1, column 'depth': found '1' of 'site 0', but '0' in row 0; expected one value in each series",
        ),
        (lambda f: f, {"id": "sight"}, "no column 'sight'; did you mean 'site'?"),
        (lambda f: f.groupby("site").head(1), {}, "1 row(s) in each series; a step needs two at least"),
    ],
)
def test_what_is_wrong_names_the_row_and_the_series(change, options, says):
    with pytest.raises(DataError) as error:
        panel_of(change(series_of([6, 6])), **options)
    assert says in str(error.value)


def test_copies_of_stamps_without_an_id_column_are_told_to_be_series():
    frame = pd.concat([series_of([6]), series_of([6]).assign(site="other")])
    with pytest.raises(DataError, match=r"\(long form\): name the column that tells them apart \(data.source.id="):
        panel_of(frame, id=None)


def test_a_column_may_have_one_role():
    with pytest.raises(ConfigurationError, match="'site' is named twice in time, id, targets"):
        FrameSource(time="when", targets=["site"], id="site")


def test_the_hour_that_comes_twice_is_told_by_series():
    zone = "Europe/Berlin"
    utc = pd.date_range("2023-10-28 20:00", periods=12, freq="h", tz="UTC")
    frame = pd.DataFrame({"site": np.repeat(["a", "b"], 12), "when": [*utc, *utc], "level": np.arange(24.0)})
    local = frame.assign(when=frame["when"].dt.tz_convert(zone).dt.tz_localize(None))
    # Hour by hour: each stamp of the doubled hour stands twice in the table before it comes twice in a series.
    mixed = local.iloc[np.arange(24).reshape(2, 12).T.ravel()]
    for table in (local, mixed):
        panel = panel_of(table, timezone=zone, past=None)
        for item in range(2):
            np.testing.assert_array_equal(panel.clock[of_item(panel, item)], utc.tz_localize(None).to_numpy())
    with pytest.raises(DataError, match=r"of 'b', which row \d+ has too .* clocks turned back from summer time"):
        panel_of(local.iloc[[*range(5), *range(12, 24)]], past=None)
    once = local.drop(index=[4, 16])
    with pytest.raises(DataError, match=r"of 'a', an hour that comes twice"):
        panel_of(once, timezone=zone, past=None)


def test_offsets_that_differ_between_series_are_no_zone():
    stamps = pd.date_range("2024-01-01", periods=6, freq="D")
    words = [f"{stamp:%Y-%m-%dT%H:%M:%S}{offset}" for offset in ("+01:00", "+09:00") for stamp in stamps]
    frame = pd.DataFrame({"site": np.repeat(["a", "b"], 6), "when": words, "level": np.arange(12.0)})
    panel = panel_of(frame, past=None)
    assert (panel.step, panel.zone, panel.timezone) == ("D", None, "UTC")


@pytest.mark.parametrize(("freq", "step"), [("MS", "MS"), ("W", "7D"), ("B", "B"), ("10min", "10min")])
def test_the_step_is_that_within_series(freq, step):
    parts = [
        pd.DataFrame({"site": str(number), "when": pd.date_range(begin, periods=12, freq=freq), "level": 0.5})
        for number, begin in enumerate(["2024-03-01", "2021-01-01", "2022-06-01"])
    ]
    frame = pd.concat(parts).assign(level=np.random.default_rng(0).normal(size=36))
    panel = panel_of(frame, past=None)
    assert panel.step == step
    assert panel_of(frame, past=None, step=step).step == step
    with pytest.raises(DataError, match="the step of its rows is"):
        panel_of(frame, past=None, step="h")


def test_stamps_are_rounded_by_series():
    frame = series_of([9, 9])
    shifted = frame.assign(when=frame["when"] + np.where(frame["site"] == "site 0", 7, 1) * pd.Timedelta("5min"))
    jitter = pd.to_timedelta(np.random.default_rng(0).integers(-9, 10, len(frame)), unit="s")
    panel = panel_of(shifted.assign(when=shifted["when"] + jitter), tolerance="30s")
    np.testing.assert_array_equal(panel.clock, shifted["when"].to_numpy())


def test_all_columns_without_another_role_are_targets():
    frame = series_of([4, 4])
    assert panel_of(frame, targets="all", past=None).names == ("level", "wind", "depth")
    panel = panel_of(frame, targets="all", past=["wind"], static=["depth"], units={"level": "m"})
    assert [column.name for column in panel.columns if column.role == "target"] == ["level"]
    assert panel.units == ("m", "")
    with pytest.raises(ConfigurationError, match="units names 'lewel'; did you mean 'level'"):
        panel_of(frame, targets="all", units={"lewel": "m"})
    with pytest.raises(DataError, match=r"each of its columns .* has another role"):
        panel_of(frame[["site", "when", "wind"]], targets="all")


def test_a_sentinel_is_looked_for_in_each_series():
    frame = series_of([40, 40])
    frame["level"] *= np.where(frame["site"] == "site 0", 1e5, 1.0)
    frame.loc[60, "level"] = -9999.0  # within the range of the other series
    with pytest.raises(DataError, match=r"row 60, column 'level': found -9999 in 1 row\(s\), far from"):
        panel_of(frame)
    panel = panel_of(frame, missing=[-9999.0])
    assert np.flatnonzero(np.isnan(panel.values[:, 0])).tolist() == [60]


pools = st.sampled_from([[0.0, 1.0, 2.5], [-9999.0, 99.0, 5.0, 6.0], list(np.linspace(0, 1, 23)), [1e6, 1e6 + 1, 0.5]])


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_a_sentinel_of_many_series_is_that_of_the_first_that_has_one(data):
    parts = [
        np.array(data.draw(st.lists(st.sampled_from(pool + extra), min_size=1, max_size=30)))
        for pool in data.draw(st.lists(pools, min_size=1, max_size=4))
        for extra in [data.draw(st.sampled_from([[], [-99.0], [32767.0, 1e5], [1e5, -1e5]]))]
    ]
    starts = np.cumsum([0, *map(len, parts)])[:-1]
    found = [
        (start + one[0], one[1]) for start, part in zip(starts, parts, strict=True) if (one := find_sentinel(part))
    ]
    for rows in (sentinels.ROWS, 1, data.draw(st.integers(2, 60))):  # however many are looked at together
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sentinels, "ROWS", rows)
            assert find_sentinel_of_items(np.concatenate(parts), starts) == next(iter(found), None)


@pytest.mark.parametrize(
    ("value", "said"), [(-9999.0, "found -9999 in 1"), (np.inf, "found 'inf'"), (1e200, "'1e+200'")]
)
def test_the_row_of_what_is_wrong_counts_those_that_were_not_observed(value, said):
    frame = series_of([40, 40])
    frame.loc[[3, 50], "level"] = np.nan
    frame.loc[60, "level"] = value
    with pytest.raises(DataError, match=rf"row 60, column 'level': .*{re.escape(said)}"):
        panel_of(frame, missing=[np.nan])


def test_what_is_known_ahead_is_read_by_series():
    frame = series_of([4, 6])
    source = FrameSource(time="when", targets=["level"], id="site", known=["wind"], step="h")
    known = source.read_known(FrameTable(frame.iloc[::-1].sort_values("when", kind="stable"), "when", id="site"))
    assert known.ids == ("site 0", "site 1")
    for item, rows in enumerate(itertools.starmap(slice, known.pieces)):
        own = frame[frame["site"] == f"site {item}"]
        np.testing.assert_array_equal(known.values[rows, 0], own["wind"].to_numpy())

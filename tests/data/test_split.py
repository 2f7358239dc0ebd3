"""Splits of panels of many items, against pandas."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from panels import lengths_of_items, panel_of

from recast.data.datamodule import ForecastDataModule
from recast.data.panel import Panel
from recast.data.prepare.ranges import contiguous, rows_of
from recast.data.prepare.split import FractionSplit, ItemsSplit, LastSplit, Parts, Split, TimeSplit
from recast.data.prepare.windows import Windows
from recast.data.sources.sines import TwoSines
from recast.errors import ConfigurationError, DataError

SPLITS = [
    FractionSplit(validation=0.2, test=0.3),
    LastSplit(validation=2, test=3),
    ItemsSplit(validation=0.2, test=0.3),
    ItemsSplit(validation=0.2, test=0.3, seed=1),
    TimeSplit(test="2020-01-02 01:00", validation="2020-01-01 03:00"),
    TimeSplit(test="2020-01-02 01:00", validation=0.3, end="2020-01-03"),
]


def frame_of(panel: Panel, parts: Parts) -> pd.DataFrame:
    """A row for each row of the panel: its item, its time, the part that it lies in."""
    lengths = np.diff(panel.item_bounds)
    frame = pd.DataFrame({"item": np.repeat(np.arange(len(panel.ids)), lengths), "time": panel.times, "part": ""})
    for name, part in parts._asdict().items():
        for first, stop in part:
            assert (frame.part.iloc[first:stop] == "").all(), "a row in two parts"
            frame.loc[first : stop - 1, "part"] = name
    return frame


@settings(max_examples=60, deadline=None)
@given(lengths=lengths_of_items.filter(lambda items: len(items) > 1), split=st.sampled_from(SPLITS))
def test_ranges_of_an_item_follow_each_other_inside_it(lengths: list[list[int]], split: Split):
    panel = panel_of(lengths)
    parts = split.parts(panel)
    for item, (first, stop) in enumerate(pairwise(panel.item_bounds.tolist())):
        ranges = [part[item].tolist() for part in parts]
        assert ranges[0][0] == first
        assert ranges[-1][1] <= stop
        assert all(one[1] == other[0] for one, other in pairwise(ranges))
        assert all(one <= other for one, other in ranges)
    frame = frame_of(panel, parts)
    for name, part in parts._asdict().items():
        inside = np.zeros(len(panel), dtype=bool)
        inside[rows_of(panel, part)] = True
        assert (inside == (frame.part == name)).all()
        found = [row for first, stop in contiguous(panel, part) for row in range(first, stop)]
        assert found == np.flatnonzero(inside).tolist()


@settings(max_examples=60, deadline=None)
@given(lengths=lengths_of_items, split=st.sampled_from([SPLITS[0], SPLITS[1], *SPLITS[4:]]), back=st.booleans())
def test_windows_of_each_item_are_those_of_the_item_alone(lengths: list[list[int]], split: Split, back: bool):
    panel, windows = panel_of(lengths), Windows(context=2, horizon=1, reach_back=back)
    parts = split.parts(panel)
    for name, part in parts._asdict().items():
        together = windows.starts(panel, part, training=name == "train", reach_back=name in split.reaches_back)
        alone = []
        for item, first in enumerate(panel.item_bounds[:-1]):
            single = panel.take(np.array([item]))
            own = getattr(split.parts(single), name)
            starts = windows.starts(single, own, training=name == "train", reach_back=name in split.reaches_back)
            alone += (starts + first).tolist()
        assert together.tolist() == alone


def test_fractions_are_those_of_each_item():
    panel = panel_of([[10], [6, 4], [20]])
    frame = frame_of(panel, FractionSplit(validation=0.2, test=0.3).parts(panel))
    counts = pd.crosstab(frame.item, frame.part)[["train", "validation", "test"]]
    assert counts.to_numpy().tolist() == [[5, 2, 3], [5, 2, 3], [10, 4, 6]]


def test_dates_are_the_same_for_all_items():
    panel = panel_of([[20], [6, 4], [3]])
    frame = frame_of(panel, TimeSplit(test="2020-01-03 02:00", validation="2020-01-02").parts(panel))
    expected = np.select([frame.time < "2020-01-02", frame.time < "2020-01-03 02:00"], ["train", "validation"], "test")
    assert (frame.part == expected).all()


def test_last_windows_reach_back():
    panel, windows = panel_of([[20], [9], [4]]), Windows(context=4, horizon=2)
    split = LastSplit(validation=2, test=2)
    parts = split.parts(panel)
    train, validation, test = (
        windows.starts(panel, part, training=name == "train", reach_back=name in split.reaches_back)
        for name, part in parts._asdict().items()
    )
    ends = panel.item_bounds[1:3]
    assert test.tolist() == (ends - 6).tolist()
    assert validation.tolist() == (ends - 8).tolist()
    assert (train[:, None] + np.arange(6)).max() < 16


def test_held_out_items_are_whole():
    panel = panel_of([[3], [4], [5], [6], [2]])
    for seed in (None, 3):
        frame = frame_of(panel, ItemsSplit(validation=0.2, test=0.4, seed=seed).parts(panel))
        whole = frame.drop_duplicates(["item", "part"]).part.tolist()
        assert sorted(whole) == ["test", "test", "train", "train", "validation"]
        assert (whole == ["train", "train", "validation", "test", "test"]) == (seed is None)
    with pytest.raises(DataError, match="one item, but ItemsSplit holds out some"):
        ItemsSplit().parts(panel_of([[30]]))
    with pytest.raises(ConfigurationError, match=r"ItemsSplit: .* leave nothing for training"):
        ItemsSplit(validation=0.6, test=0.5)


def test_series_too_short_for_their_own_fractions_are_held_out_instead():
    windows = Windows(context=50, horizon=10)
    with pytest.raises(DataError, match="hold out whole items"):
        _ = ForecastDataModule(source=TwoSines(series=20), windows=windows).prepared
    starts = ForecastDataModule(source=TwoSines(series=20), windows=windows, split=ItemsSplit()).prepared.starts
    assert [(part // 60).tolist() for part in starts] == [[*range(14)], [14, 15], [16, 17, 18, 19]]

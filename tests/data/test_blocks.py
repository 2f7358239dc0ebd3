"""Validation blocks spread over the training span: what is left out around them, and that nothing of it is fitted."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from panels import panel_of
from test_prepare import prepared_from, series_of, walk

from recast.data.features.lags import TargetLags
from recast.data.panel import Panel, columns_of
from recast.data.prepare.blocks import BlocksSplit
from recast.data.prepare.covariates import Covariates
from recast.data.prepare.grid import ErrorGrid
from recast.data.prepare.prepare import Prepared, prepare
from recast.data.prepare.ranges import filled
from recast.data.prepare.regime import MultiOrigin, StatefulStreams
from recast.data.prepare.scale import MinMax, Rescale, Standard
from recast.data.prepare.split import FractionSplit, LastSplit, TimeSplit
from recast.data.prepare.windows import Windows
from recast.errors import ConfigurationError, DataError


def rows_of(starts: np.ndarray, length: int) -> set[int]:
    return {start + row for start in starts.tolist() for row in range(length)}


@st.composite
def layouts(draw):
    """What makes a panel with gaps of all kinds, any windows, and a split into blocks."""
    lengths = draw(st.lists(st.lists(st.integers(1, 60), max_size=3), min_size=1, max_size=3).filter(any))
    windows = Windows(
        context=draw(st.integers(1, 6)),
        horizon=draw(st.integers(1, 4)),
        stride=draw(st.integers(1, 3)),
        evaluation_stride=draw(st.integers(1, 3)),
        reach_back=draw(st.booleans()),
        exclude_last=draw(st.booleans()),
    )
    test = draw(st.one_of(st.floats(0, 0.5), st.integers(1, 20)))
    split = BlocksSplit(test=test, validation=draw(st.floats(0.05, 0.8)), blocks=draw(st.integers(1, 4)))
    gaps = {"missing": draw(st.sampled_from([0.0, 0.3])), "seed": draw(st.integers(0, 9))}
    return lengths, gaps, windows, split


@given(layout=layouts(), further=st.integers(0, 5))
def test_no_training_window_shares_a_row_with_a_validation_window(layout, further):
    lengths, gaps, windows, split = layout
    panel = panel_of(lengths, **gaps)
    # Features may look back further than the context.
    context = windows.context + further
    try:
        parts = split.parts(panel, context=context, horizon=windows.horizon)
    except DataError:
        assume(False)
    named = parts._asdict().items()
    train, validation, _ = (
        windows.starts(panel, part, training=name == "train", reach_back=name in split.reaches_back)
        for name, part in named
    )
    item = np.repeat(panel.items, panel.lengths)
    read = {
        row - back
        for row in rows_of(train, windows.length)
        for back in range(further + 1)
        if row >= back and item[row - back] == item[row]
    }
    assert not read & rows_of(validation, windows.length)
    # As far from the targets of validation as a window is long, on both sides.
    inside = np.zeros(len(panel), dtype=bool)
    for first, stop in filled(parts.validation):
        near = slice(max(first - context - windows.horizon, 0), stop + context + windows.horizon)
        inside[near] |= item[near] == item[first]
    assert not inside[sorted(rows_of(train, windows.length))].any()
    # Each row is in one part at most; an item has all of its blocks or none, and all before the test is training then.
    rows = [row for _, part in named for first, stop in part.tolist() for row in range(first, stop)]
    assert len(rows) == len(set(rows))
    assert all((np.diff(part) >= 0).all() for part in parts)
    blocks = np.diff(parts.validation).reshape(len(panel.ids), split.blocks)
    assert ((blocks > 0).all(axis=1) | (blocks == 0).all(axis=1)).all()
    assert (blocks > 0).any()
    other = (
        LastSplit(validation=0, test=split.test) if split.test >= 1 else FractionSplit(validation=0, test=split.test)
    )
    assert parts.test.tolist() == other.parts(panel).test.tolist()
    for number in np.flatnonzero((blocks == 0).all(axis=1)):
        whole = other.parts(panel).train[number]
        assert [*whole] in parts.train.tolist() or whole[0] == whole[1]


@given(
    rows=st.integers(1, 600),
    blocks=st.integers(1, 5),
    validation=st.floats(0.05, 0.6),
    context=st.integers(1, 12),
    horizon=st.integers(1, 6),
)
def test_every_row_of_every_block_is_a_target(rows, blocks, validation, context, horizon):
    panel, windows = series_of(np.arange(rows)), Windows(context=context, horizon=horizon)
    split = BlocksSplit(test=0.2, validation=validation, blocks=blocks)
    try:
        parts = split.parts(panel, context=context, horizon=horizon)
    except DataError:
        assume(False)
    starts = windows.starts(panel, parts.validation, training=False, reach_back=True)
    targets = {start + context + step for start in starts.tolist() for step in range(horizon)}
    assert targets == {row for first, stop in parts.validation.tolist() for row in range(first, stop)}
    before = parts.test[0, 0]
    assert abs(len(targets) - validation * before) <= blocks
    # The last block ends where the test begins; the ends of all lie evenly.
    ends = parts.validation[:, 1]
    assert ends[-1] == before
    assert np.ptp(np.diff([0, *ends])) <= 1
    assert len(windows.starts(panel, parts.train, training=True))


def test_blocks_and_the_rows_left_out_by_hand():
    parts = BlocksSplit(test=40, validation=0.2, blocks=2).parts(series_of(np.arange(240)), context=10, horizon=5)
    assert parts.validation.tolist() == [[80, 100], [180, 200]]
    assert parts.train.tolist() == [[0, 65], [115, 165]]
    assert parts.test.tolist() == [[200, 240]]


def test_the_test_begins_at_a_date_a_share_or_a_number_of_rows():
    series = series_of(np.arange(96))
    by_date = BlocksSplit(test="2020-01-04", end="2020-01-04 12:00").parts(series, context=2, horizon=1)
    expected = TimeSplit(test="2020-01-04", validation=0.0, end="2020-01-04 12:00").parts(series)
    assert by_date.test.tolist() == expected.test.tolist()
    for test in (0.25, 24):
        assert BlocksSplit(test=test).parts(series, context=2, horizon=1).test.tolist() == [[72, 96]]
    with pytest.raises(ConfigurationError, match="BlocksSplit: test='soon' is not a date in ISO 8601"):
        BlocksSplit(test="soon")
    with pytest.raises(DataError, match=r"out of order: .* a date data\.split\.test before data\.split\.end"):
        BlocksSplit(test="2020-01-03", end="2020-01-02").parts(series)


@pytest.mark.parametrize(
    ("rows", "options", "remedy"),
    [
        (600, {"blocks": 5, "validation": 0.3}, {"blocks": 3}),
        (500, {"blocks": 2, "validation": 0.05}, {"blocks": 1}),
        (500, {"blocks": 1, "validation": 0.03}, {"validation": 0.05}),
        (140, {}, None),
    ],
)
def test_a_record_too_short_is_refused_with_a_remedy_that_helps(rows, options, remedy):
    series, window = series_of(np.arange(rows)), {"context": 30, "horizon": 20}
    with pytest.raises(DataError, match=r"series: \d+ rows before the test are too few for") as refused:
        BlocksSplit(**options).parts(series, **window)
    if remedy is None:
        assert "or take the last rows before the test (data/split=time, fraction or last)" in str(refused.value)
        return
    ((name, value),) = remedy.items()
    assert str(refused.value).endswith(f"or give data.split.{name}={value}")
    assert len(BlocksSplit(**options | remedy).parts(series, **window).validation)


def test_items_too_short_for_blocks_are_for_training():
    panel = panel_of([[100], [12], [80, 20]])
    split = BlocksSplit(test=10, validation=0.2, blocks=2)
    parts = split.parts(panel, context=4, horizon=2)
    assert [100, 102] in parts.train.tolist()
    inside = [panel.items_at(filled(part)[:, 0]).tolist() for part in parts]
    assert inside == [[0, 0, 1, 2, 2], [0, 0, 2, 2], [0, 1, 2]]


def held_out(prepared: Prepared) -> np.ndarray:
    """Whether a row lies in no training window."""
    rows = np.ones(len(prepared.panel), dtype=bool)
    rows[sorted(rows_of(prepared.starts.train.numpy(), prepared.spec.context + prepared.spec.horizon))] = False
    return rows


@pytest.mark.parametrize("scaler", [Standard(), Standard(by="item"), MinMax(by="item"), Rescale()])
@pytest.mark.parametrize("items", [1, 2])
def test_nothing_is_fitted_on_rows_outside_the_training_windows(scaler, items):
    rows, split = 240, BlocksSplit(test=40, validation=0.2, blocks=2)

    def prepared(values: np.ndarray) -> Prepared:
        one = series_of(values[:rows], targets=1)
        panel = replace(
            one,
            values=values,
            times=np.tile(one.clock, items),
            starts=np.arange(items) * rows,
            items=np.arange(items),
            ids=("a", "b")[:items],
        )
        return prepared_from(panel, split=split, scaler=scaler, windows=Windows(context=10, horizon=5), season=3)

    values = walk(items * rows, 2) + 50
    before = prepared(values)
    outside = held_out(before)
    assert outside.sum() == 125 * items
    changed = values.copy()
    changed[outside] *= -1000
    after = prepared(changed)
    assert after.spec == before.spec
    if items > 1:
        one, other = before.storage.truths.sizes, after.storage.truths.sizes
        assert all(bool((getattr(one, name) == getattr(other, name)).all()) for name in vars(one))


def test_lags_of_a_training_window_do_not_reach_into_a_block():
    series = series_of(np.arange(1.0, 801.0))
    windows = Windows(context=4, horizon=2)
    prepared = prepare(
        series,
        grid=ErrorGrid(),
        split=BlocksSplit(test=0.2, validation=0.2, blocks=2),
        scaler=Standard(),
        windows=windows,
        covariates=Covariates({"lags": TargetLags(lags=["24h"])}),
    )
    panel = prepared.panel
    lag = [name.startswith("lags") for name in panel.names].index(True)
    rows = sorted(rows_of(prepared.starts.train.numpy(), windows.length))
    # A value tells its row in the source; the panel begins after the first lag.
    lagged = panel.values[rows, lag]
    validated = panel.targets[sorted(rows_of(prepared.starts.validation.numpy(), windows.length)), 0]
    assert not {*lagged.tolist()} & {*validated.tolist()}


@pytest.mark.parametrize("regime", [MultiOrigin(origins=3, apart=4), StatefulStreams(chunk=8)])
def test_other_regimes_stay_between_the_blocks(regime):
    series = series_of(walk(600))
    split = BlocksSplit(test=0.2, validation=0.2, blocks=3)
    prepared = prepared_from(series, split=split, windows=Windows(context=10, horizon=5))
    loader = regime.loader(prepared, batch_size=4, seed=0)
    validated = rows_of(prepared.starts.validation.numpy(), 15)
    for batch in loader:
        length = batch.known.shape[1]
        assert not rows_of(batch.start.numpy(), length) & validated


def test_blocks_of_a_panel_are_those_of_each_item_alone():
    panel = panel_of([[90], [60, 50], [130]])
    split, windows = BlocksSplit(test=0.2, validation=0.3, blocks=2), Windows(context=3, horizon=2)
    parts = split.parts(panel, context=3, horizon=2)
    for name, part in parts._asdict().items():
        together = windows.starts(panel, part, training=name == "train", reach_back=name in split.reaches_back)
        alone: list[int] = []
        for item, (first, _) in enumerate(pairwise(panel.item_bounds.tolist())):
            single = panel.take(np.array([item]))
            own = getattr(split.parts(single, context=3, horizon=2), name)
            starts = windows.starts(single, own, training=name == "train", reach_back=name in split.reaches_back)
            alone += (starts + first).tolist()
        assert together.tolist() == alone


def test_windows_are_of_one_step_and_one_lead_unless_given():
    panel = Panel(columns_of(targets=["a"]), np.zeros((9, 1)), np.array([0]), "series")
    assert BlocksSplit(test=1, validation=0.4, blocks=1).parts(panel).train.tolist() == [[0, 3]]

"""The storage and its gather against a plain loop over windows, steps and columns."""

import math

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from panels import GROUNDS, LEVELS, lengths_of_items, panel_of, spec_of

from recast.data.panel import Column, Panel
from recast.data.prepare.storage import Layout, stored
from recast.data.spec import PanelSpec, SeriesSpec
from recast.types import Batch

PERIODS = (24.0, 7.0)


def numbers_at(panel: Panel, spec: SeriesSpec, row: int, name: str) -> tuple[float, bool]:
    """A real value of a row as a batch holds it, and whether it was observed."""
    place = panel.names.index(name)
    value = panel.values[row, place]
    observed = not math.isnan(value)
    return ((value - spec.offset[place]) / spec.scale[place] if observed else 0.0), observed


def level_at(panel: Panel, row: int, name: str) -> int:
    value = panel.values[row, panel.names.index(name)]
    return len(LEVELS) if math.isnan(value) else int(value)


def waves_at(panel: Panel, row: int) -> list[float]:
    since = panel.clock[row].astype(np.int64) / 3.6e12
    return [wave(2 * math.pi * since / period) for period in PERIODS for wave in (math.sin, math.cos)]


def assert_rows(part: torch.Tensor, expected: list) -> None:
    torch.testing.assert_close(part.double(), torch.tensor(expected, dtype=torch.float64), rtol=1e-6, atol=2e-6)


def assert_static(batch: Batch, panel: Panel, spec: SeriesSpec, place: int, item: int) -> None:
    depth, ground, _ = panel.static_values[item]
    scaled = 0.0 if math.isnan(depth) else (depth - spec.static_offset[0]) / spec.static_scale[0]
    assert_rows(batch.static[place], [scaled])
    assert batch.item[place] == item
    assert batch.categories is not None
    assert batch.categories.static[place].tolist() == [len(GROUNDS) if math.isnan(ground) else int(ground)]


@settings(max_examples=60, deadline=None)
@given(
    lengths=lengths_of_items,
    missing=st.sampled_from([0.0, 0.3]),
    periods=st.sampled_from([(), PERIODS]),
    context=st.integers(1, 3),
    horizon=st.integers(1, 2),
    data=st.data(),
)
def test_windows_are_those_of_a_plain_loop(lengths, missing, periods, context, horizon, data):
    panel = panel_of(lengths, missing=missing)
    possible = [start for first, stop in panel.pieces for start in range(first, stop - context - horizon + 1)]
    assume(possible)
    spec = spec_of(panel, masked=missing > 0, periods=periods)
    starts = data.draw(st.lists(st.sampled_from(possible), min_size=1, max_size=6))
    batch = stored(panel, spec).windows(torch.tensor(starts), context, horizon)
    assert (batch.observed is None) == (missing == 0)
    assert batch.start.tolist() == starts
    for place, start in enumerate(starts):
        item = max(owner for first, owner in zip(panel.starts, panel.items, strict=True) if first <= start)
        assert_static(batch, panel, spec, place, item)
        before, ahead = range(start, start + context), range(start + context, start + context + horizon)
        for part, rows, names in (
            ("history", before, ["a", "b"]),
            ("past", before, ["c"]),
            ("known", [*before, *ahead], ["d"]),
            ("target", ahead, ["a", "b"]),
        ):
            cells = [[numbers_at(panel, spec, row, name) for name in names] for row in rows]
            waves = [waves_at(panel, row) if part == "known" and periods else [] for row in rows]
            expected = [[value for value, _ in row] + more for row, more in zip(cells, waves, strict=True)]
            assert_rows(getattr(batch, part)[place], expected)
            if batch.observed is not None:
                masks = [[seen for _, seen in row] + [True] * len(more) for row, more in zip(cells, waves, strict=True)]
                assert getattr(batch.observed, part)[place].tolist() == masks
        assert batch.categories.past[place, :, 0].tolist() == [level_at(panel, row, "past level") for row in before]
        found = batch.categories.known[place, :, 0].tolist()
        assert found == [level_at(panel, row, "known level") for row in (*before, *ahead)]


@settings(max_examples=60, deadline=None)
@given(lengths=lengths_of_items, missing=st.sampled_from([0.0, 0.3]), data=st.data())
def test_sequences_are_those_of_a_plain_loop(lengths, missing, data):
    panel = panel_of(lengths, missing=missing)
    assume(len(panel.pieces))
    spec = spec_of(panel, masked=missing > 0)
    which = data.draw(st.lists(st.integers(0, len(panel.pieces) - 1), min_size=1, max_size=5))
    batch = stored(panel, spec).sequences(torch.tensor(which))
    longest = max(panel.lengths[which])
    assert batch.context == longest
    assert batch.target.shape == (len(which), 0, 2)
    for place, piece in enumerate(which):
        item = int(panel.items[piece])
        assert_static(batch, panel, spec, place, item)
        assert batch.label[place] == panel.labels[item]
        first, stop = panel.pieces[piece]
        length = stop - first
        assert batch.lengths[place] == length
        for part, names in (("history", ["a", "b"]), ("past", ["c"]), ("known", ["d"])):
            cells = [[numbers_at(panel, spec, row, name) for name in names] for row in range(first, stop)]
            found = getattr(batch, part)[place]
            assert_rows(found[:length], [[value for value, _ in row] for row in cells])
            assert not found[length:].any()
            if batch.observed is not None:
                mask = getattr(batch.observed, part)[place]
                assert mask[:length].tolist() == [[seen for _, seen in row] for row in cells]
                assert not mask[length:].any()
        levels = batch.categories.past[place, :length, 0].tolist()
        assert levels == [level_at(panel, row, "past level") for row in range(first, stop)]


def test_a_panel_without_categories_masks_and_labels_has_none_of_them():
    panel = panel_of([[4]])
    plain = Panel(
        columns=panel.columns[:3], values=panel.values[:, :3], starts=panel.starts, label="plain", times=panel.times
    )
    spec = SeriesSpec(
        columns=plain.columns,
        offset=(0.0,) * 3,
        scale=(1.0,) * 3,
        step="h",
        context=1,
        horizon=1,
        naive_error=(1.0,) * 2,
    )
    storage = stored(plain, spec)
    assert storage.values.shape == (5, 3)
    batch = storage.windows(torch.arange(2), 2, 1)
    assert batch.observed is batch.categories is batch.label is batch.lengths is None
    assert batch.static.shape == (2, 0)
    assert batch.known.shape == (2, 3, 0)


@pytest.mark.parametrize("masked", [True, False])
def test_the_layout_covers_every_column_once(masked):
    layout = Layout(spec_of(panel_of([[3]]), masked=masked, periods=PERIODS))
    places = torch.arange(float(layout.width))
    parts = layout.split(places)
    assert torch.cat(parts).equal(places)
    assert [len(part) for part in parts[6:]] == [1, 1, 0]
    assert [len(part) > 0 for part in parts[3:6]] == [masked] * 3
    assert layout.reals == 2 + 1 + 1 + 2 * len(PERIODS)
    assert layout.width == layout.reals * (1 + masked) + 2


def test_no_batch_of_no_sequences():
    storage = stored(panel_of([[3], [2]]), spec_of(panel_of([[3], [2]]), masked=False))
    batch = storage.sequences(torch.empty(0, dtype=torch.int64))
    assert batch.history.shape == (0, 0, 2)


@given(lengths=lengths_of_items, missing=st.sampled_from([0.0, 0.3]), data=st.data())
@settings(max_examples=30, deadline=None)
def test_windows_taken_from_a_batch_are_those_of_their_starts(lengths, missing, data):
    panel = panel_of(lengths, missing=missing)
    possible = [start for first, stop in panel.pieces for start in range(first, stop - 2)]
    assume(possible)
    storage = stored(panel, spec_of(panel, masked=missing > 0))
    starts = torch.tensor(possible)
    which = torch.tensor(data.draw(st.lists(st.integers(0, len(possible) - 1), min_size=1, max_size=5)))
    found, expected = storage.windows(starts, 2, 1).take(which), storage.windows(starts[which], 2, 1)
    for one, other in zip(found, expected, strict=True):
        if isinstance(other, tuple):
            assert all(part is same or part.equal(same) for part, same in zip(one, other, strict=True))
        else:
            assert one is other or one.equal(other)


def test_levels_of_targets_stand_over_context_and_horizon():
    levels = ("a", "b", "c")
    values = np.array([[0.0], [2.0], [1.0], [np.nan], [2.0]])
    panel = Panel(
        columns=(Column("symbol", levels=levels),), values=values, starts=np.zeros(1, dtype=np.int64), label="text"
    )
    spec = PanelSpec(columns=panel.columns, offset=(0.0,), scale=(1.0,))
    batch = stored(panel, spec).windows(torch.tensor([0, 1]), 2, 2)
    assert batch.categories is not None
    assert batch.categories.target is not None
    assert batch.categories.target.squeeze(2).tolist() == [[0, 2, 1, 3], [2, 1, 3, 2]]
    assert (batch.context, batch.history.shape, batch.target.shape) == (2, (2, 2, 0), (2, 2, 0))
    taken = batch.take(torch.tensor([1])).categories
    assert taken is not None
    assert taken.target is not None
    assert taken.target.squeeze(2).tolist() == [[2, 1, 3, 2]]

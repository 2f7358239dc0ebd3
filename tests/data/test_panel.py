"""A panel: its roles and labels, items taken and joined, rows left out."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from panels import CLASSES, LEVELS, lengths_of_items, panel_of

from recast.data.panel import Column, Panel, columns_of, joined
from recast.data.sources.fingerprint import fingerprint


def pieces_of(panel: Panel, item: int) -> list[tuple[list[list[float]], list[int]]]:
    """Values and times of each piece of an item, by the definition."""
    return [
        (panel.values[first:stop].tolist(), panel.clock[first:stop].astype(np.int64).tolist())
        for (first, stop), owner in zip(panel.pieces, panel.items, strict=True)
        if owner == item
    ]


def assert_sound(panel: Panel) -> None:
    """What the docstring of a panel promises."""
    assert panel.starts[:1].tolist() == [0][: len(panel.starts)]
    assert (np.diff(panel.starts) > 0).all()
    assert (panel.lengths > 0).all()
    assert panel.lengths.sum() == len(panel) == len(panel.clock)
    assert (np.diff(panel.items) >= 0).all()
    assert len(panel.items) == len(panel.starts)
    assert panel.static_values.shape == (len(panel.ids), len(panel.static))


# Roles and labels


def test_a_panel_of_nothing_but_targets_is_not_copied():
    panel = panel_of([[5], [3]])
    only = replace(panel, columns=columns_of(targets=["a"]), values=np.arange(len(panel), dtype=float)[:, None])
    assert only.targets is only.values
    assert only.role("past").shape == (len(panel), 0)


def test_columns_are_ordered_by_role():
    columns = columns_of(known=["k"], targets="ab", past=["p"], units={"p": "hPa"}, levels={"k": ("x", "y")})
    assert columns == (
        Column("a"),
        Column("b"),
        Column("p", "hPa", "past"),
        Column("k", "", "known", ("x", "y")),
    )
    assert [column.is_category for column in columns] == [False, False, False, True]


def test_roles_find_their_columns():
    panel = panel_of([[3], [2, 1]])
    assert panel.names == ("a", "b", "c", "past level", "known level", "d")
    assert panel.units == ("m", "m", "hPa", "", "", "MW")
    assert [panel.of(role) for role in ("target", "past", "known", "static")] == [[0, 1], [2, 3], [4, 5], []]
    assert panel.of("past", "known") == [2, 3, 4, 5]
    assert np.array_equal(panel.targets, panel.values[:, :2])
    assert np.array_equal(panel.role("known"), panel.values[:, 4:])
    assert panel.role("static").shape == (6, 0)
    assert panel.columns[3].levels == LEVELS


def test_pieces_and_their_lengths():
    panel = panel_of([[3], [], [2, 1]])
    assert panel.pieces == [(0, 3), (3, 5), (5, 6)]
    assert panel.lengths.tolist() == [3, 2, 1]
    assert panel.items.tolist() == [0, 2, 2]
    assert len(panel) == 6
    assert not panel.is_single
    assert panel_of([[3, 2]]).is_single


def test_labels_are_those_of_the_static_target():
    panel = replace(panel_of([[1], [1], [1]]), static_values=np.array([[0, 0, 1], [0, 0, np.nan], [0, 0, 0.0]]))
    assert panel.label_column == Column("class", "", "target", CLASSES)
    assert panel.classes == CLASSES
    assert panel.labels.tolist() == [1, -1, 0]
    assert not panel.labelled
    assert panel.take(np.array([0, 2])).labelled


def test_a_panel_without_a_label_has_no_classes():
    panel = Panel(columns=columns_of(targets="a"), values=np.zeros((2, 1)), starts=np.zeros(1, np.int64), label="x")
    assert panel.label_column is None
    assert panel.classes == ()


def test_what_is_not_given_is_filled_in():
    parts = {"columns": columns_of(targets="a"), "values": np.zeros((5, 1)), "starts": np.array([0, 2]), "label": "x"}
    panel = Panel(**parts)
    assert panel.items.tolist() == [0, 0]
    assert panel.ids == ("1",)
    assert panel.static_values.shape == (1, 0)
    numbered = Panel(**parts, items=np.array([0, 1]))
    assert numbered.ids == ("1", "2")
    assert numbered.static_values.shape == (2, 0)


def test_a_panel_without_a_clock_says_so():
    panel = replace(panel_of([[2]]), times=None)
    with pytest.raises(ValueError, match="gauges: a panel without a clock"):
        _ = panel.clock


def test_what_is_nan_was_not_observed():
    panel = panel_of([[40]], missing=0.5)
    assert 0 < panel.observed.sum() < panel.values.size
    assert np.array_equal(panel.observed, panel.values == panel.values)


# Items


@given(lengths=lengths_of_items, data=st.data())
def test_taken_items_are_those_asked_for(lengths, data):
    panel = panel_of(lengths)
    which = np.array(data.draw(st.lists(st.integers(0, len(lengths) - 1), max_size=8)), dtype=np.int64)
    taken = panel.take(which)
    assert_sound(taken)
    assert taken.ids == tuple(f"gauge {item}" for item in which)
    for place, item in enumerate(which.tolist()):
        assert pieces_of(taken, place) == pieces_of(panel, item)
        assert np.array_equal(taken.static_values[place], panel.static_values[item])
    assert (taken.columns, taken.static, taken.step, taken.label) == (panel.columns, panel.static, "h", "gauges")


@given(lengths=lengths_of_items)
def test_all_items_in_their_order_are_the_panel(lengths):
    panel = panel_of(lengths)
    assert fingerprint(panel.take(np.arange(len(lengths)))) == fingerprint(panel)


@given(first=lengths_of_items, second=lengths_of_items)
def test_joined_panels_can_be_taken_apart(first, second):
    one, other = panel_of(first), panel_of(second, seed=1)
    both = joined(one, other)
    assert_sound(both)
    assert both.label == "gauges, gauges"
    place = len(first)
    assert fingerprint(both.take(np.arange(place))) == fingerprint(one)
    assert fingerprint(both.take(np.arange(place, place + len(second)))) == fingerprint(other)
    assert joined(one, replace(other, times=None)).times is None


# Rows


@given(lengths=lengths_of_items, data=st.data())
def test_rows_left_out_leave_the_others_in_their_pieces(lengths, data):
    panel = panel_of(lengths)
    dropped = np.array(data.draw(st.lists(st.booleans(), min_size=len(panel), max_size=len(panel))), dtype=bool)
    kept = panel.without(dropped)
    assert_sound(kept)
    assert kept.ids == panel.ids
    assert np.array_equal(kept.values, panel.values[~dropped])
    assert np.array_equal(kept.clock, panel.clock[~dropped])
    for item in range(len(lengths)):
        expected = []
        for values, times in pieces_of(panel, item):
            left = [place for place, value in enumerate(values) if not dropped[int(value[0])]]
            if left:
                expected.append(([values[place] for place in left], [times[place] for place in left]))
        assert pieces_of(kept, item) == expected

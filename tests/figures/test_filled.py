"""The picture of filled gaps: what is drawn as observed and as filled, and which rows."""

import numpy as np
import pytest

from recast.data.panel import columns_of
from recast.errors import DataError
from recast.figures.filled import ROWS, around_longest, filled_series

COLUMNS = columns_of(targets=["a", "b"], units={"a": "m"})


def stamps(count: int) -> np.ndarray:
    return np.datetime64("2024-01-01", "ns") + np.arange(count) * np.timedelta64(1, "h")


def test_observed_values_are_a_line_filled_ones_dots():
    values = np.random.default_rng(0).normal(size=(30, 2))
    filled = np.zeros((30, 2), dtype=bool)
    filled[5:9, 0] = True
    figure = filled_series(stamps(30), values, filled, COLUMNS, title="gaps.csv", timezone="UTC")
    first, second = figure.axes
    observed, dots = (line.get_ydata() for line in first.get_lines())
    assert np.array_equal(observed, np.where(filled[:, 0], np.nan, values[:, 0]), equal_nan=True)
    assert np.array_equal(dots, values[5:9, 0])
    assert not len(second.get_lines()[1].get_ydata())
    assert first.get_ylabel() == "a [m]"
    assert second.get_xlabel() == "time (UTC)"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["observed", "filled"]


def test_a_long_series_is_shown_around_its_longest_gap():
    filled = np.zeros((5000, 2), dtype=bool)
    assert around_longest(filled, ROWS) == slice(0, ROWS)
    filled[100:103, 0] = filled[3000:3020, 1] = filled[4000:4005, 0] = True
    assert around_longest(filled, 400) == slice(3010 - 200, 3010 + 200)
    filled[4990:, 0] = filled[4960:4990, 0] = True
    assert around_longest(filled, 400) == slice(4600, 5000)
    assert around_longest(filled[:50], 400) == slice(0, 400)
    figure = filled_series(stamps(5000), np.zeros((5000, 2)), filled, COLUMNS, title="")
    assert len(figure.axes[0].get_lines()[0].get_ydata()) == ROWS


def test_without_rows_there_is_no_picture():
    with pytest.raises(DataError, match="no rows"):
        filled_series(stamps(0), np.zeros((0, 2)), np.zeros((0, 2), dtype=bool), COLUMNS, title="")


def test_each_gap_has_an_area_and_a_single_value_a_bar():
    values, half = np.zeros((30, 1)), np.full((30, 1), 2.0)
    filled = np.zeros((30, 1), dtype=bool)
    filled[5:9] = filled[20] = True
    figure = filled_series(stamps(30), values, filled, COLUMNS[:1], title="", half_widths=half, level=0.8)
    area, bar = figure.axes[0].collections
    assert (area.get_paths()[0].vertices[:, 1].min(), area.get_paths()[0].vertices[:, 1].max()) == (-2, 2)
    assert [segment[:, 1].tolist() for segment in bar.get_segments()] == [[-2, 2]]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["observed", "filled", "80 % band"]


def test_a_gap_of_many_rows_is_shown_between_what_was_observed():
    filled = np.zeros((5000, 1), dtype=bool)
    filled[1000:2000] = True
    assert around_longest(filled, 400) == slice(500, 2500)

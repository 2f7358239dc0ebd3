"""Small panels with every role and kind of column, whose values tell where they stand."""

from itertools import accumulate

import numpy as np
from hypothesis import strategies as st

from recast.data.panel import Column, Panel, columns_of
from recast.data.spec import SeriesSpec

LEVELS, GROUNDS, CLASSES = ("low", "middle", "high"), ("rock", "sand"), ("calm", "wild")
HOUR = np.timedelta64(3_600_000_000_000, "ns")

lengths_of_items = st.lists(st.lists(st.integers(1, 6), max_size=3), min_size=1, max_size=5)
"""For each item the lengths of its pieces; an item may have none."""


def panel_of(lengths: list[list[int]], *, missing: float = 0.0, seed: int = 0) -> Panel:
    """Two targets, a past input and a past category, a known category and a known input; static ones, and a label.

    Args:
        lengths: For each item the rows of its pieces, which lie a day apart.
        missing: Share of the values, static ones too, that were not observed.
        seed: Of the levels, and of what is missing.
    """
    random = np.random.default_rng(seed)
    pieces = [length for item in lengths for length in item]
    rows, items = sum(pieces), len(lengths)
    row = np.arange(rows, dtype=float)
    known_level, past_level = random.integers(0, len(LEVELS), (2, rows)).astype(float)
    values = np.column_stack([row, -row, row + 0.25, past_level, known_level, row + 0.5])
    statics = np.column_stack(
        [np.arange(items) + 0.75, random.integers(0, 2, items), random.integers(0, 2, items)]
    ).astype(float)
    for part in (values, statics):
        part[random.random(part.shape) < missing] = np.nan
    steps = [24 * number + np.arange(length) for number, length in enumerate(pieces)]
    return Panel(
        columns=columns_of(
            targets=["a", "b"],
            past=["c", "past level"],
            known=["known level", "d"],
            units={"a": "m", "b": "m", "c": "hPa", "d": "MW"},
            levels={"past level": LEVELS, "known level": LEVELS},
        ),
        values=values,
        starts=np.array([0, *accumulate(pieces)][: len(pieces)], dtype=np.int64),
        label="gauges",
        times=np.datetime64("2020-01-01", "ns") + np.concatenate([*steps, np.empty(0, dtype=int)]).astype(int) * HOUR,
        step="h",
        items=np.repeat(np.arange(items), [len(item) for item in lengths]),
        ids=tuple(f"gauge {number}" for number in range(items)),
        static=(
            Column("depth", "m", "static"),
            Column("ground", "", "static", GROUNDS),
            Column("class", "", "target", CLASSES),
        ),
        static_values=statics,
    )


def spec_of(panel: Panel, *, masked: bool, periods: tuple[float, ...] = ()) -> SeriesSpec:
    """A spec of that panel with a scaling of its own for each real column."""
    return SeriesSpec(
        columns=panel.columns,
        offset=(1.0, -2.0, 3.0, 0.0, 0.0, 0.5),
        scale=(2.0, 4.0, 0.5, 1.0, 1.0, 8.0),
        static=panel.static,
        static_offset=(0.25, 0.0, 0.0),
        static_scale=(0.5, 1.0, 1.0),
        masked=masked,
        step=panel.step,
        context=2,
        horizon=1,
        naive_error=(1.0, 1.0),
        periods=periods,
    )

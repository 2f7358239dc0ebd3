"""Random windows of the data that a spec describes, in their unit."""

import numpy as np

from recast.data.panel import Column, Panel
from recast.data.spec import SeriesSpec

MISSING = 0.1
"""Share of values that are not observed, where the model reads masks."""


def random_panel(spec: SeriesSpec, count: int, seed: int) -> Panel:
    """As many series of context and horizon steps, hourly, from the distribution that the scaling suggests.

    Numbers are normal with the offset of their column as mean and its scale as standard deviation; where targets are
    scaled by item or by window each series has a level of its own. Every level of a category occurs, and "not observed"
    where there are masks.

    Args:
        spec: The data's description at training.
        count: Number of series.
        seed: Of the draws.
    """
    draws = np.random.default_rng(seed)
    rows = count * (spec.context + spec.horizon)
    series = np.repeat(np.arange(count), spec.context + spec.horizon)
    values = np.stack(
        [
            _column(draws, column, offset, scale, rows)
            for column, offset, scale in zip(spec.columns, spec.offset, spec.scale, strict=True)
        ],
        axis=1,
    )
    ids = tuple(f"series {number}" for number in range(count))
    if spec.local is not None:
        level, size = draws.uniform(-100, 100, (count, 1)), draws.uniform(0.5, 20, (count, 1))
        values[:, : spec.targets] = values[:, : spec.targets] * size[series] + level[series]
        own = spec.local.ids[: count - 1]
        for place, (location, scale) in enumerate(zip(spec.local.offset, spec.local.scale, strict=True)):
            if place < len(own):
                there = series == place
                values[there, : spec.targets] = draws.normal(location, scale, (there.sum(), spec.targets))
        ids = (*own, *ids[len(own) :])
    if spec.masked:
        values[draws.random(values.shape) < MISSING] = np.nan
    static = [
        _column(draws, column, offset, scale, count)
        for column, offset, scale in zip(spec.static, spec.static_offset, spec.static_scale, strict=True)
    ]
    hours = draws.integers(0, 400_000, count)[series] + np.tile(np.arange(spec.context + spec.horizon), count)
    return Panel(
        columns=spec.columns,
        values=values,
        starts=np.arange(count) * (spec.context + spec.horizon),
        label="random windows",
        times=hours.astype("datetime64[h]").astype("datetime64[ns]"),
        step=spec.step,
        timezone=spec.timezone,
        items=np.arange(count),
        ids=ids,
        static=spec.static,
        static_values=np.stack(static, axis=1) if static else np.empty((count, 0)),
    )


def _column(draws: np.random.Generator, column: Column, offset: float, scale: float, rows: int) -> np.ndarray:
    if column.levels is None:
        return draws.normal(offset, scale or 1.0, rows)
    return draws.integers(0, len(column.levels), rows).astype(np.float64)

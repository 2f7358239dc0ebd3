"""Each sequence scaled by itself: its level and spread become static inputs."""

from dataclasses import replace

import numpy as np

from recast.data.panel import Column, Panel
from recast.data.spec import PanelSpec

SAME = 0.01
"""Deviation of levels, in typical spreads, or of the logarithms of spreads, below which all sequences have the same."""
LEVEL, SPREAD = "level of {}", "spread of {}"


def own_scaled(panel: Panel, spec: PanelSpec | None = None) -> Panel:
    """The panel with each real column of each item standardised by itself, and what that takes away as static columns.

    With mean m and (population) standard deviation s of the observed values of a column in an item,

        x' = (x - m) / s,    level = m,    spread = log(s)

    so that sequences of all sizes look alike, while a model still reads how large they were. Where a column is constant
    in an item, x' is 0 and the spread is unknown. Levels or spreads that are the same in all sequences, as in files
    whose sequences were standardised before, would be rounding errors to a model: they are left out.

    Args:
        panel: Items of one piece each.
        spec: That of a trained model, which says what is left out; None: the panel's own items do.
    """
    reals = [place for place, column in enumerate(panel.columns) if not column.is_category]
    values = panel.values[:, reals]
    level, spread = _level_and_spread(values, panel.starts, panel.lengths)
    scale = np.where(spread > 0, spread, 1.0)
    scaled = panel.values.copy()
    scaled[:, reals] = (values - np.repeat(level, panel.lengths, axis=0)) / np.repeat(scale, panel.lengths, axis=0)
    logarithm = np.log(np.where(spread > 0, spread, np.nan))
    static, numbers = [], []
    for column, levels, spreads, logarithms in zip(
        (panel.columns[place] for place in reals), level.T, spread.T, logarithm.T, strict=True
    ):
        found = (
            (Column(LEVEL.format(column.name), column.unit, "static"), levels, SAME * _median(spreads)),
            (Column(SPREAD.format(column.name), "", "static"), logarithms, SAME),
        )
        for name, own, same in found:
            if name in spec.static if spec is not None else _deviation(own) > same:
                static.append(name)
                numbers.append(own)
    return replace(
        panel,
        values=scaled,
        static=(*panel.static, *static),
        static_values=np.column_stack([panel.static_values, *numbers]),
    )


def _level_and_spread(values: np.ndarray, first: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column of each item; NaN and 0 where nothing was observed."""
    observed = ~np.isnan(values)
    counts = np.add.reduceat(observed.astype(np.int64), first).astype(np.float64)
    counts[counts == 0] = np.nan
    level = np.add.reduceat(np.where(observed, values, 0.0), first) / counts
    centred = np.where(observed, values - np.repeat(level, lengths, axis=0), 0.0)
    spread = np.nan_to_num(np.sqrt(np.add.reduceat(centred**2, first) / counts))
    # Rounding leaves a spread of a few ulps in a constant column.
    return level, np.where(spread > 8 * np.finfo(np.float64).eps * np.abs(level), spread, 0.0)


def _median(spreads: np.ndarray) -> float:
    """The median of the positive ones; 0 without any."""
    return float(np.median(spreads[spreads > 0])) if (spreads > 0).any() else 0.0


def _deviation(values: np.ndarray) -> float:
    """The standard deviation of what is known; 0 without any."""
    known = values[~np.isnan(values)]
    return float(known.std()) if len(known) else 0.0

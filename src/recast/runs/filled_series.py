"""Series whose gaps have been filled, as a table."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64, Int

from recast.data.panel import Panel
from recast.errors import ConfigurationError
from recast.scoring.calibration.gap_bands import GapBands

FILLED = "filled"
"""The column that says which values were filled."""


@dataclass(frozen=True, eq=False)
class FilledSeries:
    """Series without gaps.

    Args:
        series: As they were read, on their grid.
        values: The same with a number at each place, shape (rows, targets), in the data's unit.
        time_column: Name of the column of the stamps.
        id_column: Name of that of the series; None for a single one.
        distance: Steps from each filled value to the nearest observation of its column in the window that it was filled
            from, 0 at observations; see `recast.scoring.calibration.gap_bands.distances`.
        bands: What the errors of validation make of bands around filled values; None without any.
    """

    series: Panel
    values: Float64[np.ndarray, "rows targets"]
    time_column: str
    id_column: str | None
    distance: Int[np.ndarray, "rows targets"]
    bands: GapBands | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the targets."""
        return tuple(column.name for column in self.series.columns if column.role == "target")

    @property
    def filled(self) -> Bool[np.ndarray, "rows targets"]:
        """Which of the values were filled."""
        return np.isnan(self.series.targets)

    def half_widths(self, levels: Sequence[float]) -> Float64[np.ndarray, "levels rows targets"]:
        """Half the width of the bands around filled values, NaN at observations; without bands of no level.

        Raises:
            ConfigurationError: if a level is higher than the errors of validation can tell.
        """
        if self.bands is None:
            return np.zeros((0, *self.filled.shape))
        return np.where(self.filled, self.bands.half_widths(self.distance, levels), np.nan)

    def frame(self, levels: Sequence[float] = ()) -> pd.DataFrame:
        """A row for each stamp: its time, each target, and the names of those that were filled, separated by ";".

        Of many series the name of the series comes first. Behind the targets stand the ends of the intervals of filled
        values, where there are bands: `<target>_lower_80` and `<target>_upper_80` for a level of 0.8; at observations
        they are empty.

        Args:
            levels: Probabilities of the intervals.

        Raises:
            ConfigurationError: if a column has the name of one of these, or a level is higher than the errors of
                validation can tell.
        """
        stamps = pd.DatetimeIndex(self.series.clock)
        columns: dict[str, Any] = {}
        if self.id_column is not None:
            columns[self.id_column] = np.repeat(
                np.array(self.series.ids, dtype=object)[self.series.items], self.series.lengths
            )
        columns[self.time_column] = stamps.tz_localize("UTC") if self.series.timezone else stamps
        columns |= dict(zip(self.names, self.values.T, strict=True))
        ends: dict[str, Any] = {}
        for level, half in zip(levels if self.bands else (), self.half_widths(levels), strict=True):
            for name, values, width in zip(self.names, self.values.T, half.T, strict=True):
                ends[f"{name}_lower_{100 * level:.10g}"] = values - width
                ends[f"{name}_upper_{100 * level:.10g}"] = values + width
        if taken := sorted({FILLED, *ends} & set(columns)):
            raise ConfigurationError(
                f"{self.series.label}: a column has the name {taken[0]!r}, which one of the output has; rename it"
            )
        columns |= ends
        names = np.array(self.names, dtype=object)
        columns[FILLED] = [";".join(names[row]) for row in self.filled]
        return pd.DataFrame(columns)

    def text(self, levels: Sequence[float] = ()) -> str:
        """The same as CSV. Values that were read are written as the shortest text of the same number."""
        return self.frame(levels).to_csv(index=False)

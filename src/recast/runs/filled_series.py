"""Series whose gaps have been filled, as a table."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64

from recast.data.panel import Panel
from recast.errors import ConfigurationError

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
    """

    series: Panel
    values: Float64[np.ndarray, "rows targets"]
    time_column: str
    id_column: str | None

    @property
    def filled(self) -> Bool[np.ndarray, "rows targets"]:
        """Which of the values were filled."""
        return np.isnan(self.series.targets)

    def frame(self) -> pd.DataFrame:
        """A row for each stamp: its time, each target, and the names of those that were filled, separated by ";".

        Of many series the name of the series comes first.

        Raises:
            ConfigurationError: if a column has the name of the one that says what was filled.
        """
        stamps = pd.DatetimeIndex(self.series.clock)
        columns: dict[str, Any] = {}
        if self.id_column is not None:
            columns[self.id_column] = np.repeat(
                np.array(self.series.ids, dtype=object)[self.series.items], self.series.lengths
            )
        columns[self.time_column] = stamps.tz_localize("UTC") if self.series.timezone else stamps
        if FILLED in {*columns, *self.series.names}:
            raise ConfigurationError(
                f"{self.series.label}: a column has the name {FILLED!r}, which that of what was filled has; rename it"
            )
        columns |= dict(zip(self.series.names, self.values.T, strict=True))
        names = np.array(self.series.names, dtype=object)
        columns[FILLED] = [";".join(names[row]) for row in self.filled]
        return pd.DataFrame(columns)

    def text(self) -> str:
        """The same as CSV. Values that were read are written as the shortest text of the same number."""
        return self.frame().to_csv(index=False)

"""A forecast of series as a frame, and as text."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from recast.data.panel import Panel
from recast.errors import ConfigurationError
from recast.types import Forecast

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class SeriesForecast:
    """A forecast of the steps after the end of one or many series, in the data's own unit.

    Args:
        series: The series up to the origin.
        times: The steps of each that are forecast, `datetime64[ns]`, shape (items, horizon).
        forecast: The forecast of one window of each series.
        time_column: Name of the time column.
        remedy: What gives wider intervals.
        id_column: Name of the column that names the series; None: there is one.
        refusal: Why there are no intervals at all, though the model may know some; None: there are those it knows.
    """

    series: Panel
    times: np.ndarray
    forecast: Forecast
    time_column: str
    remedy: str = "train with wider levels"
    id_column: str | None = None
    refusal: str | None = None

    def band(self, level: float) -> np.ndarray | None:
        """Ends of the central interval of a level, shape (2, items, horizon, targets); None for a point.

        NaN at steps and targets at which too few truths calibrated for that level.

        Raises:
            ConfigurationError: if the forecast does not know an interval that wide, or there are to be none.
        """
        if self.refusal is not None:
            raise ConfigurationError(self.refusal)
        ends = self.forecast.interval(level)
        if ends is not None:
            found = np.stack([end.numpy() for end in ends])
            return np.where(np.isinf(found).any(axis=0), np.nan, found)
        if self.forecast.widest is None:
            return None
        remedy = self.remedy if self.forecast.samples is None else "draw more samples (samples=)"
        raise ConfigurationError(
            f"levels={level:g}: the forecast knows central intervals up to level {self.forecast.widest:.4g}; lower it, "
            f"or {remedy}"
        )

    def frame(self, levels: Sequence[float]) -> pd.DataFrame:
        """A row for each step: its time, each target, and the ends of its central intervals where there are any.

        Of many series there is a row for each series and step, the name of the series first. Ends are NaN, in a file
        empty, where too few truths calibrated for a level; a log line names such targets.

        Args:
            levels: Probabilities of the intervals; the ends of that of 0.8 are called `<target>_lower_80` and
                `<target>_upper_80`, with as many "_" behind as it takes where another column has that name.

        Raises:
            ConfigurationError: if the forecast does not know an interval that wide.
        """
        stamps = pd.DatetimeIndex(self.times.ravel())
        columns: dict[str, Any] = {}
        if self.id_column is not None:
            columns[self.id_column] = np.repeat(np.array(self.series.ids, dtype=object), self.times.shape[1])
        columns[self.time_column] = stamps.tz_localize("UTC") if self.series.timezone else stamps
        bands = {f"{100 * level:.10g}": self.band(level) for level in levels}
        names = [column.name for column in self.series.columns if column.role == "target"]
        for level, band in bands.items():
            lacking = [] if band is None else np.flatnonzero(np.isnan(band).any(axis=(0, 1, 2))).tolist()
            if lacking:
                log.warning(
                    "levels: no interval of %s %% of %s at some steps: too few truths calibrated; lower it, or %s",
                    *(level, ", ".join(names[place] for place in lacking), self.remedy),
                )
        taken = {*columns, *names}

        def free(name: str) -> str:
            while name in taken:
                name += "_"
            taken.add(name)
            return name

        for target, name in enumerate(names):
            columns[name] = self.forecast.mean[..., target].flatten().numpy()
            for level, band in bands.items():
                if band is not None:
                    for end, values in zip(("lower", "upper"), band[..., target], strict=True):
                        columns[free(f"{name}_{end}_{level}")] = values.ravel()
        return pd.DataFrame(columns)

    def text(self, levels: Sequence[float]) -> str:
        """The same as CSV. Stamps have a time of day unless all of the series are midnights.

        Args:
            levels: Probabilities of the intervals.

        Raises:
            ConfigurationError: if the forecast does not know an interval that wide.
        """
        midnights = [(times == times.astype("datetime64[D]")).all() for times in (self.times, self.series.clock)]
        # Of midnights alone pandas would write the dates, though the series has other times.
        form = "%Y-%m-%d %H:%M:%S" if midnights == [True, False] and self.series.timezone is None else None
        return self.frame(levels).to_csv(index=False, date_format=form)

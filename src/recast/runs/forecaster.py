"""What forecasts the steps after the end of a table."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from recast.data.panel import Panel
from recast.data.prepare.covariates import Covariates
from recast.data.prepare.describe import align
from recast.data.prepare.future import beyond_end, future_times, last_rows, until_last_observed, with_steps_ahead
from recast.data.prepare.grid import Grid
from recast.data.sources.frame import FrameTable
from recast.data.sources.source import Source
from recast.data.sources.stamps import stamp_text
from recast.data.sources.table import Table
from recast.data.spec import SeriesSpec
from recast.errors import ConfigurationError
from recast.options import PositiveInt, Seed, value_problem
from recast.runs.series_forecast import SeriesForecast
from recast.system.distribution import naming_extras
from recast.types import Forecast

log = logging.getLogger(__name__)

NAMED = 5
"""Series that a message names."""


class Readings(NamedTuple):
    """What was read of tables up to the origin and beyond it.

    series: the series up to the origin; ahead: the inputs known ahead that a table gave, None where the model has none;
    computed: those that need no table, by name.
    """

    series: Panel
    ahead: Panel | None
    computed: dict[str, np.ndarray]


class Forecaster(ABC):
    """A trained model, or a baseline, that forecasts the steps after the end of a table; see `recast.load`.

    Args:
        source: How tables of its kind are read.
        grid: Policy for missing and off-grid stamps.
        covariates: Columns that its tables do not hold.
    """

    def __init__(self, *, source: Source, grid: Grid, covariates: Covariates | None = None) -> None:
        self.source = source
        self.grid = grid
        self.covariates = covariates or Covariates()

    @property
    @abstractmethod
    def name(self) -> str:
        """That of the model's class, or of the baseline."""

    @property
    @abstractmethod
    def spec(self) -> SeriesSpec:
        """The data's names, sizes and scaling at training."""

    def __repr__(self) -> str:
        """Name, targets, and what is read for what is forecast."""
        spec = self.spec
        return (
            f"<Forecaster: {self.name} of {', '.join(spec.target_names)}; reads {spec.context} steps of {spec.step}, "
            f"forecasts {spec.horizon}>"
        )

    @naming_extras()
    def forecast(
        self,
        frame: pd.DataFrame,
        known: pd.DataFrame | None = None,
        levels: Sequence[float] = (0.8,),
        horizon: int | None = None,
        *,
        tables: Mapping[str, pd.DataFrame] | None = None,
        samples: int = 200,
        seed: int = 0,
    ) -> pd.DataFrame:
        """Forecasts the steps after the last row of a frame, or of each of its series.

        Args:
            frame: The columns of the training data, with the time (and the names of series, where it has several) in a
                column or in the index; the last rows of each series are the context.
            known: The columns known ahead at the steps that are forecast, for a model that reads such; for each series
                by name, where there are several.
            levels: Probabilities of the central intervals, where the model knows more than a point or its band was
                calibrated. An adaptive band follows the windows before the end of each series, 1000 at most.
            horizon: Steps to forecast; none: as many as the model was trained for. Others only with models that
                unroll. [steps]
            tables: Joined tables by name, as in `data.joins`, up to the origin, and beyond it where they have columns
                known ahead; None: the files of the training, as they are now.
            samples: Trajectories of a stochastic head. [trajectories]
            seed: Seed of those trajectories.

        Returns:
            A row for each step: its time under the name of the time column, each target in its unit, and the ends of
            the intervals, `<target>_lower_80` and `<target>_upper_80` for a level of 0.8. Of many series a row for each
            series and step, its name as in the frame first.

        Raises:
            DataError: if a frame cannot be used as it stands.
            ConfigurationError: if the model cannot forecast what is asked.
        """
        for name, value, hint in (("samples", samples, PositiveInt), ("seed", seed, Seed)):
            if problem := value_problem(value, hint):
                raise ConfigurationError(f"{name}={value!r}: {problem}")
        for level in levels:
            if not 0 < level < 1:
                raise ConfigurationError(f"levels: {level} is no probability between 0 and 1")
        time, id_column = self.source.time_column, self.source.id_column
        table = FrameTable(frame, time, id=id_column)
        ahead = None if known is None else FrameTable(known, time, "known", id=id_column)
        beside = {name: self.covariates.frame(name, beside) for name, beside in (tables or {}).items()}
        options: Any = {"tables": beside, "horizon": horizon, "samples": samples, "seed": seed}
        found = self.forecast_table(table, ahead, **options).frame(levels)
        if id_column is not None:
            names = {str(name).strip(): name for name in table.read([id_column])[id_column].unique()}
            found[id_column] = pd.Series([names[name] for name in found[id_column]], index=found.index)
        return found

    @abstractmethod
    def forecast_table(
        self,
        table: Table,
        known: Table | None = None,
        *,
        tables: Mapping[str, Table] | None = None,
        horizon: int | None = None,
        samples: int,
        seed: int,
    ) -> SeriesForecast:
        """The same for any table.

        Args:
            table: The columns of the training data.
            known: The columns known ahead at the steps that are forecast.
            tables: Joined tables in place of those of the training, by name.
            horizon: Steps to forecast; none: as many as the model was trained for. [steps]
            samples: Trajectories of a stochastic head. [trajectories]
            seed: Seed of those trajectories.

        Raises:
            DataError: if a table cannot be used as it stands.
            ConfigurationError: if the model cannot forecast what is asked.
        """

    def windows_table(
        self, table: Table, known: Table | None = None, *, tables: Mapping[str, Table] | None = None, rows: int
    ) -> Panel:
        """The last rows of each series of a table and the steps after its end, as the model reads them.

        Args:
            table: The columns of the training data.
            known: The columns known ahead at the steps after the end.
            tables: Joined tables in place of those of the training, by name.
            rows: Rows before the context, at most. [steps]

        Raises:
            DataError: if a table cannot be used as it stands.
            ConfigurationError: if the model reads other tables.
        """
        spec = self.spec
        series, given, computed = self.read(spec, table, known, tables)
        ahead = beyond_end(series, spec, given, computed)
        return with_steps_ahead(series, ahead, spec.context, rows + spec.context)

    def read(
        self,
        spec: SeriesSpec,
        table: Table,
        known: Table | None = None,
        tables: Mapping[str, Table] | None = None,
    ) -> Readings:
        """What tables hold for a forecast under a spec.

        Args:
            spec: That of the model, for the horizon that is forecast.
            table: The columns of the training data.
            known: The columns known ahead at the steps that are forecast.
            tables: Joined tables in place of those of the training, by name.

        Raises:
            DataError: if a table cannot be used as it stands.
            ConfigurationError: if the model reads other tables.
        """
        series, computed = self._series(table, spec, tables or {})
        return Readings(series, self._known(known, series, spec, computed), computed)

    def _as_table(
        self, series: Panel, spec: SeriesSpec, forecast: Forecast, remedy: str, refusal: str | None = None
    ) -> SeriesForecast:
        """The forecast of one window of each series, with its stamps; see `SeriesForecast`."""
        times = future_times(series, spec.step, spec.horizon)
        columns: Any = {"time_column": self.source.time_column, "id_column": self.source.id_column}
        return SeriesForecast(series, times, forecast, remedy=remedy, refusal=refusal, **columns)

    def _series(
        self, table: Table, spec: SeriesSpec, tables: Mapping[str, Table]
    ) -> tuple[Panel, dict[str, np.ndarray]]:
        """A table up to the origin, under a spec, and what is known without it at the steps after, by name."""
        covariates = self.covariates.with_tables(tables)
        raw = self.source.for_table(table).with_step(spec.step).read()
        regular = self.grid.apply_to_end(raw, spec.context + covariates.steps_before(raw))
        series = covariates.whole(regular, spec.fitted, horizon=spec.horizon, keep_gaps=self.grid.masks)
        series = until_last_observed(align(series, spec))
        _tell_lost_rows(raw, series)
        ends = series.clock[last_rows(series)]
        history = regular.without(regular.clock > ends[np.repeat(regular.items, regular.lengths)])
        times = future_times(series, spec.step, spec.horizon)
        return series, covariates.ahead(history, times, spec.fitted, spec.columns)

    def _known(
        self, known: Table | None, series: Panel, spec: SeriesSpec, computed: Mapping[str, np.ndarray]
    ) -> Panel | None:
        """The inputs known ahead that a table gives; None where the model has none."""
        columns = [column for column in spec.of("known") if column.name not in computed]
        if not columns:
            if known is not None:
                raise ConfigurationError(f"known={known.label}: the model reads no columns known ahead; leave it out")
            return None
        if known is None:
            names = ", ".join(column.name for column in columns)
            raise ConfigurationError(
                f"the model reads inputs known ahead ({names}); give known, their values at the {spec.horizon} steps "
                f"after the last row of {series.label}: a CSV file (known=FILE), in Python a frame"
            )
        return self.source.with_step(spec.step).read_known(known)


def _tell_lost_rows(raw: Panel, series: Panel) -> None:
    """Says where targets were observed after the origin, in rows that lack something else that the model reads."""
    ends = series.clock[last_rows(series)]
    items = np.repeat(raw.items, raw.lengths)
    late = np.flatnonzero((raw.clock > ends[items]) & ~np.isnan(raw.targets).all(axis=1))
    lost = np.bincount(items[late], minlength=len(ends))
    for item in np.flatnonzero(lost)[:NAMED].tolist():
        log.warning(
            "%s%s: the last %d row(s) lack a value that the model reads, or lie off the grid; the forecast begins "
            "after %s",
            *(raw.label, "" if raw.is_single else f", series {raw.ids[item]!r}", lost[item], stamp_text(ends[item])),
        )
    if np.count_nonzero(lost) > NAMED:
        log.warning("%s: so it is with %d more series", raw.label, np.count_nonzero(lost) - NAMED)

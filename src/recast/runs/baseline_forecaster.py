"""A baseline of a run that forecasts the steps after the end of a table, as the network would."""

from collections.abc import Mapping

from recast.data.prepare.grid import Grid
from recast.data.sources.source import Source
from recast.data.sources.table import Table
from recast.data.spec import SeriesSpec
from recast.runs.fitted_baseline import BaselineOfRun
from recast.runs.forecaster import Forecaster
from recast.runs.series_forecast import SeriesForecast


class BaselineForecaster(Forecaster):
    """A baseline of a run that forecasts the steps after the end of a table, as the network would; see `recast.load`.

    Its bands are quantiles of its own errors on the validation windows, for each lead separately. `samples` and `seed`
    change nothing.

    Args:
        of_run: The baseline and the data that it is fitted on.
        source: How tables of its kind are read.
        grid: Policy for missing and off-grid stamps.
    """

    def __init__(self, of_run: BaselineOfRun, source: Source, grid: Grid) -> None:
        super().__init__(source=source, grid=grid, covariates=of_run.covariates)
        self._of_run = of_run
        self._fitted = of_run.fitted()

    @property
    def name(self) -> str:
        """That of the baseline."""
        return self._of_run.name

    @property
    def spec(self) -> SeriesSpec:
        """The data's names and sizes at training."""
        return self._fitted.spec

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
        """See `Forecaster.forecast_table`; for another horizon the baseline is fitted once more."""
        fitted = self._fitted if horizon in (None, self.spec.horizon) else self._of_run.fitted(horizon)
        series, given, computed = self.read(fitted.spec, table, known, tables)
        forecast = fitted.forecast(series, given, computed)
        return self._as_table(series, fitted.spec, forecast, "train with a longer validation part")

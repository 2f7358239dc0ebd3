"""A trained network that forecasts the steps after the end of a table."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch

from recast.data.prepare.covariates import Covariates
from recast.data.prepare.future import beyond_end, with_steps_ahead
from recast.data.prepare.grid import Grid
from recast.data.prepare.storage import stored
from recast.data.sources.source import Source
from recast.data.sources.table import Table
from recast.data.spec import SeriesSpec
from recast.errors import ConfigurationError
from recast.nn.models.model import ForecastModel
from recast.options import PositiveInt, value_problem
from recast.runs.followed_bands import followed_bands
from recast.runs.forecaster import Forecaster
from recast.runs.series_forecast import SeriesForecast
from recast.runs.window_forecasts import together, window_forecasts
from recast.scoring.calibration.calibration import Calibrated

log = logging.getLogger(__name__)

FOLLOWED = 1000
"""Windows before the end of a series that an adaptive band follows."""


class NetworkForecaster(Forecaster):
    """A trained network that forecasts the steps after the end of a table; see `recast.load`.

    Args:
        build_model: Builds the trained model for data of a spec.
        spec: The data's names, sizes and scaling at training.
        source: How tables of its kind are read.
        grid: Policy for missing and off-grid stamps.
        covariates: Columns that its tables do not hold.
        calibrated: What its bands were calibrated with; None: they are the model's own.
    """

    def __init__(
        self,
        *,
        build_model: Callable[[SeriesSpec], ForecastModel],
        spec: SeriesSpec,
        source: Source,
        grid: Grid,
        covariates: Covariates | None = None,
        calibrated: Calibrated | None = None,
    ) -> None:
        super().__init__(source=source, grid=grid, covariates=covariates)
        self.calibrated = calibrated
        self._build_model = build_model
        self.model = build_model(spec)

    @property
    def name(self) -> str:
        """That of the model's class."""
        return type(self.model).__name__

    @property
    def spec(self) -> SeriesSpec:
        """The data's names, sizes and scaling at training."""
        return self.model.spec

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
        """See `Forecaster.forecast_table`; for another horizon the model is unrolled further, or less far."""
        model = self.model if horizon in (None, self.spec.horizon) else self._unrolled(horizon)
        spec = model.spec
        series, given, computed = self.read(spec, table, known, tables)
        ahead = beyond_end(series, spec, given, computed)
        origins = torch.from_numpy(ahead.starts)
        found = window_forecasts(model, stored(ahead, spec), origins, samples=samples, seed=seed)
        calibrated = self.calibrated
        refusal = None if calibrated is None else calibrated.refusal(spec.horizon)
        if calibrated is None or refusal is not None:
            bands = (own for _, own, _ in found)
        elif calibrated.calibration.follows and model is self.model:
            past = with_steps_ahead(series, ahead, spec.context, FOLLOWED + spec.context)
            bands = followed_bands(calibrated, model, past, found, samples=samples, seed=seed)
        else:
            calibrated.restart()
            bands = (calibrated.band(own, scale) for _, own, scale in found)
        remedy = "train with wider levels" if calibrated is None else "train with more windows that calibrate"
        return self._as_table(series, spec, together(list(bands)), remedy, refusal)

    def _unrolled(self, horizon: int | None) -> ForecastModel:
        """The model for another horizon, with the same weights."""
        if problem := value_problem(horizon, PositiveInt):
            raise ConfigurationError(f"horizon={horizon!r}: {problem}")
        trained = self.spec.horizon
        model = self._build_model(replace(self.spec, horizon=horizon))
        weights = dict(self.model.state_dict())
        # That of each member, where several models are one.
        shares = {name: share for name, share in weights.items() if name.endswith("anchor.share")}
        weights |= {name: _continued(share, model.spec.horizon) for name, share in shares.items()}
        if {name: _shape(value) for name, value in model.state_dict().items()} != {
            name: _shape(value) for name, value in weights.items()
        }:
            raise ConfigurationError(
                f"horizon={horizon}: {type(model).__name__} has weights of its own for each of the {trained} steps "
                "that it was trained for, and forecasts no other number of steps; leave horizon out, or train with "
                f"data.windows.horizon={horizon}"
            )
        model.load_state_dict(weights)
        if horizon is not None and horizon > trained:
            log.warning(
                "horizon=%d: the model was trained and scored for %d steps; its errors beyond them were never measured",
                *(horizon, trained),
            )
        return model.eval()


def _continued(share: torch.Tensor, leads: int) -> torch.Tensor:
    """The share of each of so many leads; beyond those that it was fitted for the last one."""
    return torch.cat([share, share[-1:].expand(max(0, leads - len(share)))])[:leads]


def _shape(value: Any) -> Any:
    return value.shape if isinstance(value, torch.Tensor) else None

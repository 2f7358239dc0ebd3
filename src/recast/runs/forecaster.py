"""A trained model that forecasts tables: what a checkpoint needs to forecast, without its training."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from recast.data.panel import Panel
from recast.data.prepare.covariates import Covariates
from recast.data.prepare.describe import align
from recast.data.prepare.future import beyond_end, future_times, last_rows, until_last_observed, with_steps_ahead
from recast.data.prepare.grid import ErrorGrid, Grid
from recast.data.prepare.storage import stored
from recast.data.sources.frame import FrameTable
from recast.data.sources.source import Source
from recast.data.sources.stamps import stamp_text
from recast.data.sources.table import Table
from recast.data.spec import SeriesSpec
from recast.errors import CheckpointError, ConfigurationError
from recast.nn.models.model import ForecastModel
from recast.options import PositiveInt, Seed, value_problem
from recast.runs.checkpoints.bare_model import weights_of
from recast.runs.checkpoints.calibrated import calibrated_of
from recast.runs.checkpoints.checkpoint import ALLOWED, described, fitting
from recast.runs.checkpoints.data_options import checked_changes
from recast.runs.checkpoints.size import no_larger_than
from recast.runs.checkpoints.spec import checked_series_spec
from recast.runs.checkpoints.whole_model import whole_model
from recast.runs.configure.build import build, build_each
from recast.runs.configure.check import check
from recast.runs.configure.options import ForecasterParts
from recast.runs.configure.targets import resolve, trusting
from recast.runs.fitted_baseline import BaselineOfRun
from recast.runs.series_forecast import SeriesForecast
from recast.scoring.calibration.calibration import Calibrated
from recast.system.distribution import naming_extras
from recast.system.files import user_path
from recast.training.checkpoint_format import KEY, chosen_checkpoint_path
from recast.types import Forecast

log = logging.getLogger(__name__)

AT_ONCE = 512
"""Series that are forecast in one batch."""
NAMED = 5
"""Series that a message names."""
FOLLOWED = 1000
"""Windows before the end of a series that an adaptive band follows."""


class Forecaster:
    """A trained model that forecasts the steps after the end of a table; see `load`.

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
        self.calibrated = calibrated
        self._build_model = build_model
        self.source = source
        self.grid = grid
        self.covariates = covariates or Covariates()
        self.model = build_model(spec)

    def __repr__(self) -> str:
        """Model, targets, and what is read for what is forecast."""
        spec = self.spec
        return (
            f"<Forecaster: {type(self.model).__name__} of {', '.join(spec.target_names)}; reads {spec.context} steps "
            f"of {spec.step}, forecasts {spec.horizon}>"
        )

    @property
    def spec(self) -> SeriesSpec:
        """The data's names, sizes and scaling at training."""
        return self.model.spec

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
        model = self.model if horizon in (None, self.spec.horizon) else self._unrolled(horizon)
        spec = model.spec
        series, computed = self._series(table, spec, tables)
        ahead = self._known(known, series, spec, computed)
        panel = beyond_end(series, spec, ahead, computed)
        storage = stored(panel, spec)
        offset, scale = (
            torch.tensor(numbers, dtype=torch.float64) for numbers in (spec.target_offset, spec.target_scale)
        )
        found, scales, calibrated = [], [], self.calibrated
        refusal = None if calibrated is None else calibrated.refusal(spec.horizon)
        past = None
        if calibrated is not None:
            calibrated.restart()
            if calibrated.calibration.follows and spec.horizon == self.spec.horizon:
                past = with_steps_ahead(series, panel, spec.context, FOLLOWED + spec.context)
        for number, starts in enumerate(torch.from_numpy(panel.starts).split(AT_ONCE)):
            batch = storage.windows(starts, spec.context, spec.horizon).to_precision(model.precision)
            # Draws of different series are independent.
            scaled = model.forecast(batch, samples=samples, seed=(seed + number) % 2**32)
            affine = batch.affine(offset, scale)
            forecast = scaled.in_unit(*affine)
            if calibrated is None or refusal is not None:
                found.append(forecast)
            elif past is not None:
                found.append(Forecast(forecast.mean))
                scales.append(affine[1].expand(len(starts), 1, -1))
            else:
                found.append(calibrated.band(forecast, affine[1]))
        if calibrated is not None and past is not None:
            together, sizes = _together(found), torch.cat(scales)
            found = list(self._followed(calibrated, past, together.mean, sizes, samples=samples, seed=seed))
        times = future_times(series, spec.step, spec.horizon)
        remedy = "train with wider levels" if calibrated is None else "train with more windows that calibrate"
        return SeriesForecast(
            series,
            times,
            _together(found),
            self.source.time_column,
            remedy=remedy,
            id_column=self.source.id_column,
            refusal=refusal,
        )

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
        series, computed = self._series(table, spec, tables)
        ahead = beyond_end(series, spec, self._known(known, series, spec, computed), computed)
        return with_steps_ahead(series, ahead, spec.context, rows + spec.context)

    def _followed(
        self,
        calibrated: Calibrated,
        past: Panel,
        forecast: torch.Tensor,
        scale: torch.Tensor,
        *,
        samples: int,
        seed: int,
    ) -> Iterator[Forecast]:
        """The forecast of each series, with the band that its own last windows have led to.

        Args:
            calibrated: The bands.
            past: The last rows of each series and the steps after its end.
            forecast: Their means, in the data's unit, shape (items, horizon, targets).
            scale: Of their targets, in the data's unit, shape (items, 1, targets).
            samples: Trajectories of a stochastic head. [trajectories]
            seed: Seed of those trajectories.
        """
        spec, storage = self.spec, stored(past, self.spec)
        whole = [torch.tensor(numbers, dtype=torch.float64) for numbers in (spec.target_offset, spec.target_scale)]
        observations = torch.from_numpy(past.targets.copy())
        for item, ((begin, stop), own, size) in enumerate(
            zip(past.pieces, forecast.split(1), scale.split(1), strict=True)
        ):
            calibrated.restart()
            # The truths after the end are not known.
            observations[stop - spec.horizon : stop] = torch.nan
            last = stop - spec.horizon - spec.context
            followed = torch.arange(begin, last)
            for number, starts in enumerate(followed.split(AT_ONCE) if len(followed) else ()):
                batch = storage.windows(starts, spec.context, spec.horizon).to_precision(self.model.precision)
                affine = batch.affine(*whole)
                found = self.model.forecast(batch, samples=samples, seed=seed + number).in_unit(*affine)
                rows = starts.unsqueeze(1) + torch.arange(spec.context, spec.context + spec.horizon)
                truth = observations[rows]
                calibrated.follow(
                    found,
                    affine[1],
                    truth,
                    observed=~truth.isnan(),
                    origin=starts + spec.context - 1,
                    item=torch.full_like(starts, item),
                )
            yield calibrated.follow(
                Forecast(own),
                size,
                torch.full_like(own, torch.nan),
                observed=torch.zeros_like(own, dtype=torch.bool),
                origin=torch.tensor([last + spec.context - 1]),
                item=torch.tensor([item]),
            )

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

    def _series(
        self, table: Table, spec: SeriesSpec, tables: Mapping[str, Table] | None = None
    ) -> tuple[Panel, dict[str, np.ndarray]]:
        """A table up to the origin, under a spec, and what is known without it at the steps after, by name."""
        covariates = self.covariates.with_tables(tables or {})
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


class BaselineForecaster(Forecaster):
    """A baseline of a run that forecasts the steps after the end of a table, as the network would; see `load`.

    Its bands are quantiles of its own errors on the validation windows, for each lead separately. `samples` and `seed`
    change nothing.

    Args:
        of_run: The baseline and the data that it is fitted on.
        source: How tables of its kind are read.
        grid: Policy for missing and off-grid stamps.
    """

    def __init__(self, of_run: BaselineOfRun, source: Source, grid: Grid) -> None:
        self._of_run = of_run
        self.source = source
        self.grid = grid
        self.covariates = of_run.covariates
        self._fitted = of_run.fitted()

    def __repr__(self) -> str:
        """Baseline, targets, and what is read for what is forecast."""
        spec = self.spec
        return (
            f"<BaselineForecaster: {self._of_run.name} of {', '.join(spec.target_names)}; reads {spec.context} steps "
            f"of {spec.step}, forecasts {spec.horizon}>"
        )

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
        spec = fitted.spec
        series, computed = self._series(table, spec, tables)
        ahead = self._known(known, series, spec, computed)
        return SeriesForecast(
            series,
            future_times(series, spec.step, spec.horizon),
            fitted.forecast(series, ahead, computed),
            self.source.time_column,
            remedy="train with a longer validation part",
            id_column=self.source.id_column,
        )


@naming_extras()
def load(
    run_or_checkpoint: str | Path, trust: Sequence[str] = (), overrides: Sequence[str] = (), baseline: str | None = None
) -> Forecaster:
    """A trained model, or a baseline that it was compared with, ready to forecast.

    Nothing that a file holds is run: it is read as data, and may name classes of recast alone, and of packages that are
    trusted. Nothing of Lightning is imported.

    Args:
        run_or_checkpoint: A run folder, whose best state is taken (the last one where there was no validation), or a
            checkpoint file.
        trust: Packages of others whose classes may be named; see `recast.runs.configure.targets.trusting`.
        overrides: How tables are read, where otherwise than in the training, as on the command line:
            "data.source.missing=[nan]", "data.source.step=10min", "data/grid=interpolate".
        baseline: Name of a baseline of the run, fitted again on the data of the training; "best": the one with the best
            score on the validation windows. None: the model.

    Raises:
        CheckpointError: if the file cannot be read safely, its parts do not fit each other, or it does not forecast.
        ConfigurationError: if an override is wrong, or the run has no such baseline.
        DataError: if the data that a baseline is fitted on are gone or have changed.
    """
    data_options: dict[str, Any] = {}
    if overrides:
        from recast.runs.configure.flat import compose_data

        data_options = compose_data(overrides)
    return load_with(run_or_checkpoint, trust, data_options, baseline)


def load_with(
    run_or_checkpoint: str | Path,
    trust: Sequence[str],
    data_options: Mapping[str, Any],
    baseline: str | None = None,
) -> Forecaster:
    """The same as `load`.

    Args:
        run_or_checkpoint: See `load`.
        trust: See `load`.
        data_options: Options of the checkpoint's data; see `recast.runs.checkpoints.data_options.changed`.
        baseline: See `load`.

    Raises:
        CheckpointError: see `load`.
        ConfigurationError: see `load`.
        DataError: see `load`.
    """
    path = user_path(run_or_checkpoint)
    if baseline is not None:
        of_run = BaselineOfRun(path, baseline, trust)
        return BaselineForecaster(of_run, *of_run.reading(data_options))
    path = chosen_checkpoint_path(path) if path.is_dir() else path
    content, config = described(path)
    with trusting(*trust), fitting(path):
        model_class = resolve(config["model"]["_target_"], ALLOWED)
        if not issubclass(model_class, ForecastModel):
            raise CheckpointError(
                f"{path}: it holds a {model_class.__name__}, which does not forecast a series; recast-evaluate scores "
                "it, on other files too (path=...)"
            )
        parts = {
            "model": config["model"],
            **{name: config["data"].get(name) for name in ("source", "grid", "features", "joins")},
            "calibration": config["task"].get("calibration"),
        }
        check(parts, ForecasterParts, allowed=ALLOWED)
    with trusting(*trust):
        parts = checked_changes(parts, data_options, ForecasterParts)
        source = build(parts["source"], ALLOWED)
        grid = build(parts["grid"], ALLOWED) if parts["grid"] else ErrorGrid()
        covariates = Covariates(*(build_each(parts[name], ALLOWED) for name in ("features", "joins")))
        calibration = build(parts["calibration"], ALLOWED) if parts["calibration"] else None
    with trusting(*trust), fitting(path):
        spec = checked_series_spec(content[KEY].get("spec"))
        weights = weights_of(content)
        size = path.stat().st_size

        def build_model(spec: SeriesSpec) -> ForecastModel:
            # The weights lie in the file as they are, at least in half precision.
            with trusting(*trust), no_larger_than(2 * size):
                return whole_model(parts["model"], spec, ALLOWED)

        forecaster = Forecaster(
            build_model=build_model,
            spec=spec,
            source=source,
            grid=grid,
            covariates=covariates,
            calibrated=calibrated_of(calibration, content[KEY], spec),
        )
        forecaster.model.load_state_dict(weights)
        forecaster.model.eval()
    return forecaster


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


def _together(forecasts: list[Forecast]) -> Forecast:
    """Forecasts of one kind as one batch."""
    first = forecasts[0]
    if len(forecasts) == 1:
        return first
    parts = {
        name: torch.cat([getattr(forecast, name) for forecast in forecasts], dim=axis)
        for name, axis in (("mean", 0), ("samples", 1), ("quantiles", 1), ("probabilities", 0))
        if getattr(first, name) is not None
    }

    def inverse(levels: Sequence[float]) -> torch.Tensor | None:
        found = [None if forecast.inverse is None else forecast.inverse(levels) for forecast in forecasts]
        known = [part for part in found if part is not None]
        return torch.cat(known, dim=1) if len(known) == len(found) else None

    return first._replace(**parts, inverse=None if first.inverse is None else inverse)


def _continued(share: torch.Tensor, leads: int) -> torch.Tensor:
    """The share of each of so many leads; beyond those that it was fitted for the last one."""
    return torch.cat([share, share[-1:].expand(max(0, leads - len(share)))])[:leads]


def _shape(value: Any) -> Any:
    return value.shape if isinstance(value, torch.Tensor) else None

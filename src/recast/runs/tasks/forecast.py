"""Forecasting a series."""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch

from recast.data.datamodule import ForecastDataModule
from recast.data.prepare.prepare import Prepared
from recast.data.spec import SeriesSpec
from recast.errors import ConfigurationError
from recast.nn.models.model import ForecastModel
from recast.runs import record, scores
from recast.runs.anchoring import anchor_facts, anchor_forecasts, guard, solve_anchor
from recast.runs.baseline_bands import BaselineBands
from recast.runs.calibrate import calibrate, calibrating, keep_in, set_apart
from recast.runs.checkpoints.calibrated import calibrated_of
from recast.runs.checkpoints.spec import checked_series_spec
from recast.runs.per_origin import per_origin, per_origin_bands
from recast.runs.pictures import draw
from recast.runs.ranked_forecasts import ranked_forecasts
from recast.runs.restored_forecast import RestoredForecast, data_of, require_windows
from recast.runs.results import Results
from recast.runs.scores import Scores
from recast.runs.tasks.task_plug import IN_TRAINING, TaskPlug
from recast.scoring.baselines.baseline import Baseline
from recast.scoring.metrics.description import of_pictures
from recast.scoring.metrics.lead_metric import LeadMetric
from recast.training.callbacks.windows_to_show import forecasts_by
from recast.training.evenly import evenly_spaced
from recast.training.task import ForecastTask

log = logging.getLogger(__name__)

REFERENCE_WINDOWS = 4096


class ForecastPlug(TaskPlug[ForecastTask, ForecastDataModule, Results]):
    """Windows of a series, errors at each lead, forecasts drawn beside the truth."""

    name = "forecast"
    task = ForecastTask
    data = ForecastDataModule
    model = ForecastModel
    metric = LeadMetric
    baseline = Baseline
    forecasts = True

    def checked_spec(self, values: object) -> SeriesSpec:
        """See the base class."""
        return checked_series_spec(values)

    def counts(self, data: ForecastDataModule) -> dict[str, int]:
        """Number of windows in each part."""
        return record.window_counts(data.prepared)

    def summary(self, data: ForecastDataModule) -> str:
        """See the base class."""
        return record.summary(data.prepared)

    def data_facts(self, data: ForecastDataModule) -> dict[str, Any]:
        """See the base class."""
        return record.data_facts(data.prepared, data.covariates)

    def fit_baselines(
        self, baselines: Mapping[str, Baseline], data: ForecastDataModule, scored: Sequence[str] = IN_TRAINING
    ) -> None:
        """See the base class."""
        scores.fit_baselines(baselines, data.prepared, scored)

    def score_baselines(
        self, baselines: Mapping[str, Baseline], task: ForecastTask, data: ForecastDataModule, part: str
    ) -> dict[str, Scores]:
        """See the base class; also those of a fixed anchor alone, as "anchor", see `ForecastModel.has_line`."""
        prepared, metrics = _scored(task, data, part), task.metrics_of("test")
        windows, bands = task.calibration_windows, None
        if task.calibrated is not None and windows is None:
            # A restored task: its data still have all validation windows.
            windows = calibrating(task.calibrated.calibration, prepared)
        if task.calibrated is not None and windows is not None and len(windows):
            bands = BaselineBands(task.calibrated.calibration, prepared, windows)
        keep = task.keeps_forecasts
        found = scores.score_baselines(baselines, prepared, part, metrics, bands, keep=keep)
        if task.model.has_line:
            found["anchor"] = scores.score_points(anchor_forecasts(task), prepared, part, metrics, bands, keep=keep)
        return found

    def before_training(
        self,
        baselines: Mapping[str, Baseline],
        task: ForecastTask,
        data: ForecastDataModule,
        trainer: pl.Trainer,
        *,
        kept: frozenset[str] = frozenset(),
    ) -> None:
        """Solves the anchor, unless it is taken over, and gives the task its references.

        These are the baselines' errors at each lead of validation windows.

        Before that, the windows that are to calibrate are set apart. The windows are those that the trainer's limit
        leaves. Of many some are chosen evenly: pictures show no more, and training need not wait.

        Raises:
            ConfigurationError: if bands are to follow windows that several processes would divide among them.
        """
        if task.calibration is not None and task.calibration.follows and trainer.world_size > 1:
            raise ConfigurationError(
                f"calibration=adaptive follows the windows of the test in their order, but {trainer.world_size} "
                "processes divide them among themselves; use calibration=split, or one process (trainer.devices=1)"
            )
        if "anchor" not in kept:
            solve_anchor(task.model, data)
        task.calibration_windows = set_apart(task, data)
        starts = data.prepared.starts
        windows = starts.validation[: _validated(trainer, data)]
        if len(windows):
            chosen = windows[evenly_spaced(len(windows), REFERENCE_WINDOWS)]
            prepared = replace(data.prepared, starts=starts._replace(validation=chosen))
            metrics = task.metrics_of("test")
            found = scores.score_baselines(baselines, prepared, "validation", metrics)
            error = of_pictures(metrics)
            task.references = {
                name: np.asarray(score.per_lead[error]) for name, score in found.items() if error in score.per_lead
            }

    def after_training(
        self, trainer: pl.Trainer, task: ForecastTask, data: ForecastDataModule, checkpoint: Path
    ) -> None:
        """Fits the share of the correction of a fixed anchor, then calibrates bands; both on validation windows."""
        task.to(trainer.strategy.root_device)
        changed = guard(task.model, data, task.samples["test"])
        if task.calibration_windows is not None:
            calibrate(task, data, task.calibration_windows)
            changed = True
        if changed and trainer.is_global_zero:
            keep_in(checkpoint, task)

    def keep_forecasts(self, task: ForecastTask, trainer: pl.Trainer) -> None:
        """See the base class."""
        if trainer.world_size > 1:
            raise ConfigurationError(
                f"keep_forecasts=true: {trainer.world_size} processes divide the test windows among themselves; use "
                "one process (trainer.devices=1)"
            )
        task.keeps_forecasts = True

    def recall(self, task: ForecastTask, description: Mapping[str, Any]) -> None:
        """See the base class."""
        task.calibrated = calibrated_of(task.calibration, description, task.model.spec)

    def adapt(self, config: dict[str, Any], restored: RestoredForecast) -> bool:
        """Reads the file that is to be scored, in the scaling of the training."""
        data = data_of(restored, config["path"])
        require_windows(data, config["split"])
        data.evaluation_batch_size = config["batch_size"]
        restored.task.samples["test"] = config["samples"]
        return True

    def test(self, trainer: pl.Trainer, task: ForecastTask, data: ForecastDataModule, part: str) -> None:
        """See the base class."""
        super().test(trainer, task, data, part)
        scored, total = len(task.origin_errors.starts), len(data.items(part))
        if scored < total:
            log.info(
                "scored on %d of %d %s windows, the model as the baselines (trainer.limit_test_batches=%s); a report "
                "compares such scores with those on the same windows alone",
                *(scored, total, part, trainer.limit_test_batches),
            )

    def results(
        self,
        task: ForecastTask,
        data: ForecastDataModule,
        part: str,
        *,
        baselines: dict[str, Scores],
        seconds: dict[str, float],
        facts: dict[str, Any],
    ) -> Results:
        """See the base class."""
        prepared = _scored(task, data, part)
        starts = getattr(prepared.starts, part)
        model = scores.read_scores(task.metrics_of("test"), task.origin_errors, task.item_errors, starts.numpy())
        model = replace(model, kept=task.kept)
        loss = model.ranking_of_origins
        hits = task.band_hits | {name: score.hits for name, score in baselines.items() if score.hits is not None}
        return Results(
            part=part,
            unit=data.spec.unit,
            windows=self.counts(data),
            scored=len(starts),
            model=model,
            baselines=baselines,
            items=prepared.panel.ids,
            per_origin=per_origin(prepared, part, {"model": model, **baselines}),
            per_origin_bands=per_origin_bands(prepared, part, hits),
            ranked_forecasts=ranked_forecasts(forecasts_by(task, data), data, starts, model.per_origin[loss], loss),
            seconds=seconds,
            facts=facts | anchor_facts(task.model, data.prepared),
            bands=task.band_scores | {name: _overall(score.bands) for name, score in baselines.items() if score.bands},
        )

    def draw(self, trainer: pl.Trainer, task: ForecastTask, data: ForecastDataModule, results: Results) -> None:
        """Forecasts of the test part, and the error at each lead."""
        draw(trainer, task, data, results)


def _overall(bands: dict[str, Any]) -> dict[str, Any]:
    """The scores of bands without those of each lead and target, which would make large files of many baselines."""
    return {name: value for name, value in bands.items() if not name.startswith("per_")}


def _validated(trainer: pl.Trainer, data: ForecastDataModule) -> int:
    """Number of validation windows, the first ones, that a trainer validates on."""
    limit, processes = trainer.limit_val_batches, trainer.world_size
    batches = math.ceil(len(data.items("validation")) / data.evaluation_batch_size)
    own = math.ceil(batches / processes)
    # As Lightning reads it: a number of batches of each process, or a share of them.
    own = min(own, limit) if isinstance(limit, int) else int(own * limit)
    return own * processes * data.evaluation_batch_size


def _scored(task: ForecastTask, data: ForecastDataModule, part: str) -> Prepared:
    """The data with those windows of a part alone that the model was scored on: a trainer may limit its test."""
    starts = torch.from_numpy(task.origin_errors.starts)
    return replace(data.prepared, starts=data.prepared.starts._replace(**{part: starts}))

"""Filling what is missing in a series."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch

from recast.data.imputation_datamodule import ImputationDataModule
from recast.data.panel import Panel
from recast.data.prepare.gap_loader import removed_from
from recast.data.prepare.ranges import rows_of
from recast.data.spec import SeriesSpec
from recast.errors import ConfigurationError, DataError, InputError, MisfitError
from recast.figures.leads import lead_errors
from recast.nn.models.imputer import Imputer, observed_of
from recast.runs.checkpoints.kept_bands import kept_bands
from recast.runs.checkpoints.spec import checked_imputation_spec
from recast.runs.gap_calibration import coverage, fit_bands, keep_bands
from recast.runs.imputation_results import GapScores, ImputationResults
from recast.runs.tasks.task_plug import IN_TRAINING, RestoredTask, TaskPlug
from recast.scoring.baselines.gap_baselines import GapBaseline, GapWindows
from recast.scoring.metrics.description import ranking
from recast.scoring.metrics.lead_metric import LeadMetric
from recast.training.callbacks.forecast_figures import log_figure
from recast.training.imputation_task import ImputationTask
from recast.types import Forecast, ItemSizes

RestoredImputer = RestoredTask[ImputationTask, ImputationDataModule, SeriesSpec]


class ImputationPlug(TaskPlug[ImputationTask, ImputationDataModule, ImputationResults]):
    """Windows of a series, errors at the values removed from them."""

    name = "imputation"
    task = ImputationTask
    data = ImputationDataModule
    model = Imputer
    metric = LeadMetric
    baseline = GapBaseline

    def checked_spec(self, values: object) -> SeriesSpec:
        """See the base class."""
        return checked_imputation_spec(values)

    def counts(self, data: ImputationDataModule) -> dict[str, int]:
        """Number of windows in each part."""
        return {part: len(starts) for part, starts in data.prepared.starts._asdict().items()}

    def summary(self, data: ImputationDataModule) -> str:
        """See the base class."""
        panel = data.prepared.panel
        counts = ", ".join(f"{count} {part}" for part, count in self.counts(data).items())
        missing = np.isnan(panel.targets).mean()
        return (
            f"{panel.label}: {len(panel)} rows every {panel.step}, {data.spec.targets} column(s), {missing:.1%} not "
            f"observed; windows of {data.steps} steps: {counts}"
        )

    def data_facts(self, data: ImputationDataModule) -> dict[str, Any]:
        """See the base class."""
        prepared = data.prepared
        panel = prepared.panel
        return {
            "label": panel.label,
            "fingerprint": prepared.fingerprint,
            "items": len(panel.ids),
            "rows": len(panel),
            "pieces": len(panel.starts),
            "first": str(panel.clock.min()),
            "last": str(panel.clock.max()),
            "not_observed": int(np.isnan(panel.targets).sum()),
            "spec": prepared.spec.to_dict(),
            "windows": self.counts(data),
        }

    def fit_baselines(
        self, baselines: Mapping[str, GapBaseline], data: ImputationDataModule, scored: Sequence[str] = IN_TRAINING
    ) -> None:
        """See the base class."""
        training, counts = _training(data), self.counts(data)
        for baseline in baselines.values():
            baseline.require_affordable(sum(counts[part] for part in scored), data.spec.targets)
            try:
                baseline.fit(training)
            except InputError as error:
                raise MisfitError(str(error)) from error

    def score_baselines(
        self, baselines: Mapping[str, GapBaseline], task: ImputationTask, data: ImputationDataModule, part: str
    ) -> dict[str, GapScores]:
        """See the base class."""
        metrics = {name: _fresh(task) for name in baselines}
        for starts in _tested(task).split(data.evaluation_batch_size):
            batch = data.windows_at(starts)
            truth, removed = task.truth_of(batch), removed_from(batch)
            left = truth.where(observed_of(batch), torch.nan).cpu().numpy()
            rows = starts.numpy()[:, np.newaxis] + np.arange(data.steps)
            windows = GapWindows.of(left, data.prepared.panel.clock[rows])
            for name, baseline in baselines.items():
                filled = Forecast(torch.from_numpy(baseline.fill(windows)))
                for metric in metrics[name].values():
                    metric.update(filled, truth.cpu(), removed.cpu(), _on_cpu(batch.sizes))
        return {name: _scores(found) for name, found in metrics.items()}

    def after_training(
        self, trainer: pl.Trainer, task: ImputationTask, data: ImputationDataModule, checkpoint: Path
    ) -> None:
        """Fits the bands of filled values on what validation windows lack."""
        task.to(trainer.strategy.root_device)
        fit_bands(task, data, data.prepared.starts.validation)
        if task.bands is not None and trainer.is_global_zero:
            keep_bands(checkpoint, task.bands)

    def recall(self, task: ImputationTask, description: Mapping[str, Any]) -> None:
        """See the base class."""
        task.bands = kept_bands(description, task.model.spec.targets)

    def adapt(self, config: dict[str, Any], restored: RestoredImputer) -> bool:
        """Reads the series that is to be scored, in the scaling of the training.

        All of another file is the test part.
        """
        data, spec, path = restored.data, restored.spec, config["path"]
        data.evaluation_batch_size = config["batch_size"]
        if path is not None:
            if config["split"] != "test":
                raise ConfigurationError(f"split={config['split']}: all of path={path} is the test part; leave it out")
            data.adopt(spec, path)
            return False
        data.adopt(spec)
        if data.fingerprint != restored.fingerprint:
            label = data.prepared.panel.label
            raise DataError(
                f"{label}: it has changed since the training, or is read otherwise, so that the parts are others now; "
                f"give path={label} to score the file as it is"
            )
        if not self.counts(data)[config["split"]]:
            raise ConfigurationError(f"split={config['split']}: the model was trained without such a part")
        return True

    def results(
        self,
        task: ImputationTask,
        data: ImputationDataModule,
        part: str,
        *,
        baselines: dict[str, GapScores],
        seconds: dict[str, float],
        facts: dict[str, Any],
    ) -> ImputationResults:
        """The scores of the test loop."""
        metrics = task.metrics_of("test")
        removed = sum(
            int(removed_from(data.windows_at(starts)).sum())
            for starts in _tested(task).split(data.evaluation_batch_size)
        )
        return ImputationResults(
            part=part,
            windows=self.counts(data),
            removed=removed,
            columns=data.spec.target_names,
            metrics={name: metric.description for name, metric in metrics.items()},
            model=_scores(metrics),
            baselines=baselines,
            seconds=seconds,
            facts={**facts, "removal": _told(data), "bands": coverage(task, data, _tested(task))},
        )

    def draw(
        self, trainer: pl.Trainer, task: ImputationTask, data: ImputationDataModule, results: ImputationResults
    ) -> None:
        """The metric that ranks, of model and baselines, as bars."""
        first = ranking(results.metrics)
        if first is None:
            return
        found = {"model": results.model, **results.baselines}
        figure = lead_errors(
            {name: np.array([scores.overall[first]]) for name, scores in found.items()},
            unit=results.metrics[first].unit,
            metric=task.metrics_of("test")[first].title,
            step=None,
            highlight="model",
        )
        log_figure(trainer, "imputation", figure, results.facts["steps"])


def _told(data: ImputationDataModule) -> dict[str, Any]:
    """What was removed where a part is scored."""
    options = {name: value for name, value in vars(data.removal).items() if not name.startswith("_")}
    return {"form": type(data.removal).__name__.lower(), **options, "seed": data.removal_seed}


def _training(data: ImputationDataModule) -> Panel:
    """The targets of the training part, in the data's unit, in pieces without a gap."""
    panel = data.prepared.panel
    rows, targets = np.arange(len(panel))[rows_of(panel, data.prepared.parts.train)], panel.of("target")
    begins = np.isin(rows, panel.starts)
    begins[1:] |= np.diff(rows) != 1
    starts = np.flatnonzero(begins | (np.arange(len(rows)) == 0))
    return replace(
        panel,
        columns=tuple(panel.columns[place] for place in targets),
        values=panel.values[rows][:, targets],
        times=panel.clock[rows],
        starts=starts,
        items=panel.items_at(rows[starts]),
    )


def _tested(task: ImputationTask) -> torch.Tensor:
    """First rows of the windows that the test has scored, ascending."""
    found = task.tested.compute()
    return torch.atleast_1d(torch.as_tensor(found, dtype=torch.float64)).long().sort().values


def _fresh(task: ImputationTask) -> dict[str, LeadMetric]:
    found = {name: copy.deepcopy(metric).cpu() for name, metric in task.metrics_of("test").items()}
    for metric in found.values():
        metric.reset()
    return found


def _on_cpu(sizes: ItemSizes | None) -> ItemSizes | None:
    return None if sizes is None else ItemSizes(sizes.naive_error.cpu(), sizes.scale.cpu())


def _scores(metrics: Mapping[str, LeadMetric]) -> GapScores:
    return GapScores(
        {name: metric.compute().item() for name, metric in metrics.items()},
        {name: metric.per_target().tolist() for name, metric in metrics.items()},
    )

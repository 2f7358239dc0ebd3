"""Scores over the samples of a part, models and baselines alike."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from math import nan
from typing import Any, TypeVar

import numpy as np
import torch
from torchmetrics import Metric

from recast.data.prepare.prepare import Prepared
from recast.runs.baseline_bands import BaselineBands
from recast.runs.baseline_windows import BATCH, PointForecasts, forecasts_of, training_history, truth_of
from recast.scoring.baselines.baseline import Baseline
from recast.scoring.metrics.band_scores import BandScores, Hits
from recast.scoring.metrics.class_metric import ClassMetric
from recast.scoring.metrics.description import Description, ranking
from recast.scoring.metrics.item_errors import ItemErrors
from recast.scoring.metrics.kept_forecasts import KeptForecasts
from recast.scoring.metrics.lead_metric import LeadMetric
from recast.scoring.metrics.origin_errors import OriginErrors, further
from recast.types import Forecast

log = logging.getLogger(__name__)

MetricT = TypeVar("MetricT", bound=Metric)


def local_metrics(metrics: Mapping[str, MetricT]) -> dict[str, MetricT]:
    """Reset copies on the CPU that do not synchronise with other processes.

    Args:
        metrics: Those of a task, which may hold the scores of its model; unchanged.
    """
    copies = {name: deepcopy(metric).cpu() for name, metric in metrics.items()}
    for metric in copies.values():
        metric.reset()
        metric.distributed_available_fn = _never
    return copies


def _never() -> bool:
    return False


@dataclass(frozen=True, eq=False)
class Scores:
    """Values of metrics: overall, for each lead, for each target; and the errors of each window.

    Args:
        overall: One number for each metric.
        per_lead: Values for leads 1 to horizon for each metric.
        per_target: Values for each target for each metric.
        per_origin: "mse", "mae" and, where these mix targets that differ, the metric that ranks, of each window over
            leads and targets, in order of rows, shape (windows,); NaN where a window was not scored.
        per_item: The value of each metric for each item of a panel, NaN where none of its windows was scored; empty for
            a single series.
        metrics: What the values of each metric mean.
        bands: Scores of its calibrated bands, see `recast.scoring.metrics.band_scores`; empty without any, and for the
            model, whose lie in the task.
        hits: What lies within these bands of each window, in order of rows; None likewise.
        kept: The forecasts themselves, where they were to be kept.
    """

    overall: dict[str, float]
    per_lead: dict[str, list[float]]
    per_target: dict[str, list[float]]
    per_origin: dict[str, np.ndarray]
    per_item: dict[str, np.ndarray]
    metrics: dict[str, Description]
    bands: dict[str, Any] = field(default_factory=dict)
    hits: Hits | None = None
    kept: KeptForecasts | None = None

    @property
    def ranking(self) -> str | None:
        """The metric that ranks; None where none does."""
        return ranking(self.metrics)

    @property
    def ranking_of_origins(self) -> str:
        """What windows are ranked by: the metric that ranks where each window has it, else the first that they have."""
        return self.ranking if self.ranking in self.per_origin else next(iter(self.per_origin))


def read_scores(
    metrics: Mapping[str, LeadMetric], origin_errors: OriginErrors, item_errors: ItemErrors, starts: np.ndarray
) -> Scores:
    """The values of metrics updated with all windows.

    Args:
        metrics: What was measured.
        origin_errors: The errors of each window, gathered from all processes.
        item_errors: The scores of each item, likewise.
        starts: First row of each window of the part, ascending.
    """
    return Scores(
        # Where nothing was tested there is no value, which torchmetrics would warn of.
        overall={name: metric.compute().item() if len(starts) else nan for name, metric in metrics.items()},
        per_lead={name: metric.per_lead().tolist() for name, metric in metrics.items()},
        per_target={name: metric.per_target().tolist() for name, metric in metrics.items()},
        per_origin=origin_errors.of(starts),
        per_item=item_errors.values(),
        metrics={name: metric.description for name, metric in metrics.items()},
    )


def fit_baselines(
    baselines: Mapping[str, Baseline], prepared: Prepared, scored: Sequence[str] = ("validation", "test")
) -> None:
    """Fits each baseline on the training rows.

    Args:
        baselines: By name.
        prepared: The series.
        scored: The parts that they are to forecast.

    Raises:
        MisfitError: if one cannot be used, or its forecasts would take too long.
    """
    history = training_history(prepared)
    for baseline in baselines.values():
        baseline.require_affordable(sum(len(getattr(prepared.starts, part)) for part in scored))
        baseline.fit(history)


def score_baselines(
    baselines: Mapping[str, Baseline],
    prepared: Prepared,
    part: str,
    metrics: Mapping[str, LeadMetric],
    bands: BaselineBands | None = None,
    *,
    keep: bool = False,
) -> dict[str, Scores]:
    """Scores fitted baselines over the windows of a part.

    Args:
        baselines: Fitted on the training rows, by name.
        prepared: The series.
        part: "train", "validation" or "test".
        metrics: What is measured; those undefined for a point forecast are skipped. They are unchanged.
        bands: How their bands are calibrated; None: they have none.
        keep: Whether the forecasts are kept.
    """
    filled = [name for name, baseline in baselines.items() if not baseline.reads_gaps]
    if filled and prepared.spec.masked:
        log.info(
            "values that were not observed are interpolated within each context, for baselines only: %s",
            ", ".join(filled),
        )
    return {
        name: score_points(forecasts_of(baseline), prepared, part, metrics, bands, keep=keep)
        for name, baseline in baselines.items()
    }


def score_points(
    forecasts: PointForecasts,
    prepared: Prepared,
    part: str,
    metrics: Mapping[str, LeadMetric],
    bands: BaselineBands | None = None,
    *,
    keep: bool = False,
) -> Scores:
    """Scores point forecasts over the windows of a part.

    Args:
        forecasts: What is scored.
        prepared: The series.
        part: "train", "validation" or "test".
        metrics: What is measured; those undefined for a point forecast are skipped. They are unchanged.
        bands: How their bands are calibrated; None: they have none.
        keep: Whether the forecasts are kept.
    """
    usable = {name: metric for name, metric in metrics.items() if metric.defined_for({"mean"})}
    starts, context = getattr(prepared.starts, part), prepared.spec.context
    calibrated = None if bands is None else bands.of(forecasts)

    def found() -> Iterator[Found]:
        batches = starts.split(BATCH) if len(starts) else ()
        for mean, rows in zip(forecasts(prepared, part), batches, strict=True):
            forecast, band = Forecast(mean), None
            if bands is not None and calibrated is not None:
                true = truth_of(prepared, rows)
                band = calibrated.follow(
                    forecast,
                    bands.scale(rows),
                    true,
                    observed=~true.isnan() if prepared.spec.masked else None,
                    origin=rows + context - 1,
                    item=torch.from_numpy(prepared.panel.items_at(rows.numpy())),
                )
            yield rows, forecast, band

    return _score(found(), prepared, starts.numpy(), usable, KeptForecasts() if keep else None)


def score_kept(
    forecasts: KeptForecasts, prepared: Prepared, part: str, metrics: Mapping[str, LeadMetric], *, of_model: bool
) -> tuple[Scores, BandScores | None]:
    """Scores forecasts that were kept over the windows of a part.

    Args:
        forecasts: Of all windows of the part.
        prepared: The series.
        part: "train", "validation" or "test".
        metrics: What is measured; those that the forecasts do not suffice for are skipped. They are unchanged.
        of_model: Whether they are scored as a task scores a model's: calibrated bands where there are some, and a point
            by no metric that takes it for a distribution without spread, as those of baselines are.

    Returns:
        The scores, and those of the bands that the forecaster has of itself; None without any.
    """
    starts, spec = getattr(prepared.starts, part), prepared.spec
    own = BandScores(horizon=spec.horizon, targets=spec.targets)
    _, first, _ = next(forecasts.batches(1))
    parts = {"mean"} | ({"quantiles"} if first.levels else set())
    usable = {
        name: metric
        for name, metric in metrics.items()
        if (metric.computable_from(parts, first.levels) if of_model or first.levels else metric.defined_for(parts))
    }

    def found() -> Iterator[Found]:
        for rows, forecast, band in forecasts.batches(BATCH):
            if forecast.widest is not None:
                true = truth_of(prepared, rows)
                own.update(rows, forecast, true, ~true.isnan() if spec.masked else None)
            yield rows, forecast, band

    scores = _score(found(), prepared, starts.numpy(), usable, None, banded=of_model)
    return scores, own if own.update_called else None


Found = tuple[torch.Tensor, Forecast, Forecast | None]
"""First row of each window of a batch, their forecast, and the same with its calibrated band."""


def _score(
    found: Iterable[Found],
    prepared: Prepared,
    starts: np.ndarray,
    metrics: Mapping[str, LeadMetric],
    kept: KeptForecasts | None,
    *,
    banded: bool = False,
) -> Scores:
    """The scores of forecasts, and of their calibrated bands."""
    usable, spec = local_metrics(metrics), prepared.spec
    sizes = None if prepared.storage.truths is None else prepared.storage.truths.sizes
    errors, item_errors = OriginErrors(further(usable)), ItemErrors(usable)
    band_scores = BandScores(horizon=spec.horizon, targets=spec.targets)
    for rows, forecast, band in found:
        true = truth_of(prepared, rows)
        observed = ~true.isnan() if spec.masked else None
        items = torch.from_numpy(prepared.panel.items_at(rows.numpy()))
        own = None if sizes is None else sizes.of(items)
        scored = band if banded and band is not None else forecast
        for metric in usable.values():
            metric.update(metric.scored(forecast, scored), true, observed, own)
        if band is not None:
            band_scores.update(rows, band, true, observed)
        errors.update(rows, forecast.mean, true, observed, own)
        if sizes is not None:
            item_errors.update(items, forecast, true, observed, sizes, band=scored)
        if kept is not None:
            kept.update(rows, forecast, band)
    scores = read_scores(usable, errors, item_errors, starts)
    if not band_scores.update_called:
        return replace(scores, kept=kept)
    return replace(scores, bands=band_scores.compute(), hits=band_scores.hits(starts), kept=kept)


LOSS = Description(unit="nats", higher_is_better=False, perfect=0.0)


def descriptions(metrics: Mapping[str, ClassMetric]) -> dict[str, Description]:
    """What the values of metrics, and that of the loss, mean."""
    return {name: metric.description for name, metric in metrics.items()} | {"loss": LOSS}


def class_scores(metrics: Mapping[str, ClassMetric], probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """The values of metrics, and the loss: the mean of -log P(true class).

    Args:
        metrics: What is measured; they are left as they are.
        probabilities: Of each class, float64, shape (sequences, classes).
        labels: The true classes, shape (sequences,).
    """
    scores = {}
    for name, metric in local_metrics(metrics).items():
        metric.update(torch.from_numpy(probabilities), torch.from_numpy(labels))
        scores[name] = metric.compute().item()
    hit = probabilities[np.arange(len(labels)), labels]
    return scores | {"loss": float(-np.log(np.maximum(hit, np.finfo(np.float64).tiny)).mean())}

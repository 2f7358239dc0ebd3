"""The pictures at the end of a run: forecasts of the test part, and the error at each lead."""

from collections.abc import Iterator, Mapping, Sequence

import lightning.pytorch as pl
import numpy as np
from matplotlib.figure import Figure

from recast.data.datamodule import ForecastDataModule
from recast.data.spec import SeriesSpec
from recast.figures.leads import lead_errors
from recast.figures.panels import TargetPanels, target_panels
from recast.runs.results import Results
from recast.scoring.metrics.description import of_pictures
from recast.scoring.metrics.lead_metric import LeadMetric
from recast.training.callbacks.forecast_figures import log_figure
from recast.training.callbacks.windows_to_show import forecast_windows
from recast.training.task import ForecastTask


def draw(trainer: pl.Trainer, task: ForecastTask, data: ForecastDataModule, results: Results) -> None:
    """Draws the pictures into the run's folder and its TensorBoard log."""
    targets = forecast_windows(task, data, "test", 4)
    for name, figure in figures(targets, results, task.metrics_of("test"), data.spec):
        log_figure(trainer, name, figure, results.facts["steps"])


def figures(
    targets: Sequence[TargetPanels], results: Results, metrics: Mapping[str, LeadMetric], spec: SeriesSpec
) -> Iterator[tuple[str, Figure]]:
    """The pictures by name.

    Args:
        targets: Forecasts to show.
        results: The scores.
        metrics: What was measured.
        spec: The data's names and sizes.
    """
    title = f"test, {results.facts['checkpoint']}"
    yield "test_forecasts", target_panels(targets, title=title, timezone=spec.timezone)
    error = of_pictures(metrics)
    if error is not None:
        scored = {"model": results.model, **results.baselines}
        curves = {
            name: np.asarray(scores.per_lead[error]) for name, scores in scored.items() if error in scores.per_lead
        }
        shown = metrics[error]
        unit = shown.description.unit
        yield (
            "test_error_per_lead",
            lead_errors(curves, unit=unit, metric=shown.title, step=spec.step, highlight="model"),
        )

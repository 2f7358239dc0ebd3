"""The pictures at the end of a run: forecasts of the test part, and the error at each lead."""

import lightning.pytorch as pl
import numpy as np

from recast.data.datamodule import ForecastDataModule
from recast.figures.leads import lead_errors
from recast.figures.panels import target_panels
from recast.runs.results import Results
from recast.scoring.metrics.description import of_pictures
from recast.training.callbacks.forecast_figures import log_figure
from recast.training.callbacks.windows_to_show import forecast_windows
from recast.training.task import ForecastTask


def draw(trainer: pl.Trainer, task: ForecastTask, data: ForecastDataModule, results: Results) -> None:
    """Draws the pictures into the run's folder and its TensorBoard log."""
    spec = data.spec
    targets = forecast_windows(task, data, "test", 4)
    step = results.facts["steps"]
    figure = target_panels(targets, title=f"test, {results.facts['checkpoint']}", timezone=spec.timezone)
    log_figure(trainer, "test_forecasts", figure, step)
    metrics = task.metrics_of("test")
    error = of_pictures(metrics)
    if error is not None:
        scored = {"model": results.model, **results.baselines}
        curves = {
            name: np.asarray(scores.per_lead[error]) for name, scores in scored.items() if error in scores.per_lead
        }
        shown = metrics[error]
        unit = shown.description.unit
        figure = lead_errors(curves, unit=unit, metric=shown.title, step=spec.step, highlight="model")
        log_figure(trainer, "test_error_per_lead", figure, step)

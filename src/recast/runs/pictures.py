"""The pictures at the end of a run: forecasts of the test part, and the error at each lead."""

import lightning.pytorch as pl
import numpy as np

from recast.callbacks.forecast_figures import log_figure
from recast.callbacks.windows_to_show import forecast_windows
from recast.datamodule import ForecastDataModule
from recast.figures.leads import lead_errors
from recast.figures.panels import forecast_panels
from recast.runs.results import Results
from recast.task import ForecastTask


def draw(trainer: pl.Trainer, task: ForecastTask, data: ForecastDataModule, results: Results) -> None:
    """Draws them into the run's folder and its TensorBoard log."""
    spec = data.spec
    panels = forecast_windows(task, data, "test", 4)
    title = f"{spec.names[0]}: test, {results.facts['checkpoint']}"
    step = results.facts["steps"]
    figure = forecast_panels(panels, unit=spec.units[0], title=title, timezone=spec.timezone)
    log_figure(trainer, "test_forecasts", figure, step)
    curves = {"model": results.model, **results.baselines}
    errors = {name: np.asarray(scores.per_lead["rmse"]) for name, scores in curves.items() if "rmse" in scores.per_lead}
    if "model" in errors:
        figure = lead_errors(errors, unit=spec.unit, metric="RMSE", step=spec.step, highlight="model")
        log_figure(trainer, "test_error_per_lead", figure, step)

"""Forecast windows for figures."""

from collections.abc import Callable

import lightning.pytorch as pl
import numpy as np
from jaxtyping import Int
from lightning.fabric.utilities.apply_func import move_data_to_device
from torch import Tensor

from recast.data.datamodule import ForecastDataModule
from recast.data.panel import Panel
from recast.figures.panels import TargetPanels
from recast.figures.plot import Plot
from recast.training.evenly import evenly_spaced
from recast.training.task import ForecastTask
from recast.types import Forecast

LEVEL = 0.9  # of the band, or the widest that the forecast has


def forecast_windows(task: ForecastTask, data: ForecastDataModule, part: str, wanted: int) -> list[TargetPanels]:
    """Free-running forecasts of all targets from a few origins spread over a part.

    Args:
        task: The trained model; its mode is restored.
        data: Source of the windows.
        part: "validation" or "test".
        wanted: Number of windows. [windows]
    """
    return spread_panels(forecasts_by(task, data), data, getattr(data.prepared.starts, part), wanted)


WindowForecasts = Callable[[Int[Tensor, " windows"]], Forecast]
"""The forecasts of the windows that begin at given rows, in the data's unit."""


def forecasts_by(task: ForecastTask, data: ForecastDataModule) -> WindowForecasts:
    """Free-running forecasts of a trained model, whose mode is restored."""

    def forecasts(starts: Int[Tensor, " windows"]) -> Forecast:
        batch = move_data_to_device(data.windows_at(starts), task.device)
        training = task.training
        task.eval()
        forecast = task.banded(task.forecast(batch), batch)
        task.train(training)
        return forecast

    return forecasts


def spread_panels(
    forecasts: WindowForecasts, data: ForecastDataModule, starts: Int[Tensor, " windows"], wanted: int
) -> list[TargetPanels]:
    """Forecasts of all targets from a few windows, spread evenly over those given.

    Args:
        forecasts: What is shown.
        data: Source of the windows.
        starts: First row of each window, in order of time.
        wanted: Number of windows to show. [windows]
    """
    chosen = starts[evenly_spaced(len(starts), wanted)]
    return panels_of(forecasts, data, chosen, tail=max(3 * data.spec.horizon, 20))


def panels_of(
    forecasts: WindowForecasts, data: ForecastDataModule, starts: Int[Tensor, " windows"], *, tail: int
) -> list[TargetPanels]:
    """Forecasts of all targets from given windows.

    Args:
        forecasts: What is shown.
        data: Source of the windows.
        starts: First row of each window.
        tail: Steps of the context to show, at most. [steps]
    """
    spec = data.spec
    series = data.prepared.panel
    times, values = series.clock, series.targets
    forecast = forecasts(starts)
    tail = min(spec.context, tail)
    level = None if forecast.widest is None else min(LEVEL, forecast.widest)
    band = None if level is None else forecast.interval(level)
    mean, ends = forecast.mean.cpu().numpy(), None if band is None else [end.cpu().numpy() for end in band]

    def plot(window: int, start: int, target: int) -> Plot:
        origin = start + spec.context
        past, future = slice(origin - tail, origin), slice(origin, origin + spec.horizon)
        lower, upper = (None, None) if ends is None else (end[window, :, target] for end in ends)
        return Plot(
            title=_title(series, origin - 1),
            context_times=times[past],
            context=values[past, target],
            future_times=times[future],
            truth=values[future, target],
            mean=mean[window, :, target],
            lower=lower,
            upper=upper,
            level=level,
        )

    rows = list(enumerate(starts.tolist()))
    return [
        TargetPanels(column.name, column.unit, tuple(plot(window, start, target) for window, start in rows))
        for target, column in enumerate(spec.of("target"))
    ]


def _title(panel: Panel, row: int) -> str:
    """Identifies a forecast: by its series in a panel, otherwise by the time of its origin."""
    if not panel.is_single:
        return f"series {np.searchsorted(panel.starts, row, side='right')}"
    day, minute = (str(panel.clock[row].astype(f"datetime64[{unit}]")) for unit in "Dm")
    return f"from {day if minute.endswith('T00:00') else minute.replace('T', ' ')}"


def shown_part(trainer: pl.Trainer) -> tuple[ForecastTask, ForecastDataModule] | None:
    """Task and data of a trainer whose validation windows can be shown; None if there are none."""
    task, data = trainer.lightning_module, getattr(trainer, "datamodule", None)
    if not isinstance(task, ForecastTask) or not isinstance(data, ForecastDataModule):
        return None
    return (task, data) if len(data.prepared.starts.validation) else None

"""Forecast windows as pictures show them."""

import lightning.pytorch as pl
import numpy as np
import torch
from jaxtyping import Int
from lightning.fabric.utilities.apply_func import move_data_to_device
from torch import Tensor

from recast.datamodule import ForecastDataModule
from recast.figures.panel import Panel as Drawn
from recast.panel import Panel
from recast.task import ForecastTask

LEVEL = 0.9  # of the band


def evenly(count: int, wanted: int) -> list[int]:
    """At most `wanted` numbers spread evenly over range(count), the same ones each time."""
    if wanted >= count:
        return list(range(count))
    return np.linspace(0, count - 1, wanted + 2)[1:-1].round().astype(int).tolist()


def forecast_windows(task: ForecastTask, data: ForecastDataModule, part: str, wanted: int) -> list[Drawn]:
    """Free-running forecasts of the first target from a few origins spread over a part.

    Args:
        task: The trained model; left in the mode it was in.
        data: Where the windows come from.
        part: "validation" or "test".
        wanted: Number of windows. [windows]
    """
    starts = getattr(data.prepared.starts, part)
    return panels_of(task, data, starts[evenly(len(starts), wanted)], tail=max(3 * data.spec.horizon, 20))


def panels_of(
    task: ForecastTask, data: ForecastDataModule, starts: Int[Tensor, " windows"], *, tail: int
) -> list[Drawn]:
    """Free-running forecasts of the first target from given windows.

    Args:
        task: The trained model; left in the mode it was in.
        data: Where the windows come from.
        starts: First row of each window.
        tail: Steps of the context that are shown, as far as there are so many. [steps]
    """
    spec = data.spec
    panel = data.prepared.panel
    times, values = panel.clock, panel.targets
    batch = move_data_to_device(data.windows_at(starts), task.device)
    training = task.training
    task.eval()
    forecast = task.forecast(batch)
    task.train(training)
    tail = min(spec.context, tail)
    panels = []
    for window, start in enumerate(batch.start.tolist()):
        origin = start + spec.context
        past, future = slice(origin - tail, origin), slice(origin, origin + spec.horizon)
        band = {}
        if forecast.samples is not None:
            ends = torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2], dtype=torch.float64, device=task.device)
            lower, upper = forecast.samples[:, window, :, 0].quantile(ends, dim=0).cpu().numpy()
            band = {"lower": lower, "upper": upper, "level": LEVEL}
        panels.append(
            Drawn(
                title=_title(panel, origin - 1),
                context_times=times[past],
                context=values[past, 0],
                future_times=times[future],
                truth=values[future, 0],
                mean=forecast.mean[window, :, 0].cpu().numpy(),
                **band,
            )
        )
    return panels


def _title(panel: Panel, row: int) -> str:
    """Which forecast it is: by its series in a panel, else by the time of its origin."""
    if not panel.is_single:
        return f"series {np.searchsorted(panel.starts, row, side='right')}"
    day, minute = (str(panel.clock[row].astype(f"datetime64[{unit}]")) for unit in "Dm")
    return f"from {day if minute.endswith('T00:00') else minute.replace('T', ' ')}"


def shown_part(trainer: pl.Trainer) -> tuple[ForecastTask, ForecastDataModule] | None:
    """Task and data of a trainer whose validation windows can be shown; None where there are none."""
    task, data = trainer.lightning_module, getattr(trainer, "datamodule", None)
    if not isinstance(task, ForecastTask) or not isinstance(data, ForecastDataModule):
        return None
    return (task, data) if len(data.prepared.starts.validation) else None

"""Figures of predicted against true values, at the end of a run."""

from typing import Literal

import lightning.pytorch as pl
import numpy as np
import torch

from recast.data.datamodule import ForecastDataModule
from recast.data.panel import Panel
from recast.errors import ConfigurationError
from recast.figures.agreement import TargetPairs, targets_against_true, targets_over_time
from recast.options import PositiveInt, checked
from recast.training.callbacks.forecast_figures import log_figure
from recast.training.task import ForecastTask

PARTS: list[Literal["train", "validation", "test"]] = ["train", "test"]


class AgreementFigures(pl.Callback):
    """Draws the forecasts of one lead against the truth when the test ends, over all windows of each part.

    Two figures for each part, in TensorBoard and in `figures/` of the run's folder: forecast against truth with the
    identity line; and both over time, for a single series. Each target has a panel, in its unit.

    Args:
        parts: Parts to draw.
        lead: The lead to draw, counted from 1. [steps]
    """

    @checked
    def __init__(self, *, parts: list[Literal["train", "validation", "test"]] = PARTS, lead: PositiveInt = 1) -> None:
        super().__init__()
        self.parts = parts
        self.lead = lead

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draws.

        Raises:
            ConfigurationError: if the lead lies beyond the horizon.
        """
        data = getattr(trainer, "datamodule", None)
        if not isinstance(pl_module, ForecastTask) or not isinstance(data, ForecastDataModule):
            return
        if self.lead > data.spec.horizon:
            raise ConfigurationError(
                f"AgreementFigures: lead={self.lead} lies beyond the horizon of {data.spec.horizon} steps"
            )
        if trainer.is_global_zero:
            for part in self.parts:
                self._draw(trainer, pl_module, data, part)

    def _draw(self, trainer: pl.Trainer, task: ForecastTask, data: ForecastDataModule, part: str) -> None:
        starts = getattr(data.prepared.starts, part)
        if not len(starts):
            return
        forecast = self._forecasts(task, data, part)
        panel, spec = data.prepared.panel, data.spec
        rows = starts.numpy() + spec.context + self.lead - 1
        truth = panel.targets[rows]
        targets = [
            TargetPairs(column.name, column.unit, truth[:, target], forecast[:, target])
            for target, column in enumerate(spec.of("target"))
            # A target never observed in this part has nothing to compare with.
            if not np.isnan(truth[:, target]).all()
        ]
        if not targets:
            return
        title = f"{part}, {self.lead} step{'s' * (self.lead > 1)} ahead"
        step = trainer.global_step
        figure = targets_against_true(targets, title=title)
        log_figure(trainer, f"{part}_predicted_against_true", figure, step)
        if panel.is_single:
            figure = targets_over_time(
                panel.clock[rows], targets, title=title, timezone=spec.timezone, after_gap=_after_gap(rows, panel)
            )
            log_figure(trainer, f"{part}_predicted_series", figure, step)

    @torch.no_grad()
    def _forecasts(self, task: ForecastTask, data: ForecastDataModule, part: str) -> np.ndarray:
        """The forecast of all targets at the lead from every origin of a part, shape (origins, targets)."""
        loader = data.loader(part)
        # Every window once, only in this process.
        batches = (data.windows_at(starts) for starts in loader.order.items.split(loader.order.batch_size))
        return np.concatenate([task.forecast(batch).mean[:, self.lead - 1].cpu().numpy() for batch in batches])


def _after_gap(rows: np.ndarray, panel: Panel) -> np.ndarray:
    """Whether windows are missing between a row and the one before, or the series has a gap there; (rows,)."""
    apart = np.diff(rows)
    piece = np.searchsorted(panel.starts, rows, side="right")
    return np.concatenate([[False], (apart > apart.min(initial=len(panel))) | (np.diff(piece) > 0)])

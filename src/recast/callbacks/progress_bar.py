"""The progress bar of a training run."""

from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import RichProgressBar

from recast.options import PositiveInt, checked


class ProgressBar(RichProgressBar):
    """Lightning's rich progress bar without the logger's version.

    Args:
        refresh_rate: Batches between two drawings; drawing costs a small network more than a step. [batches]
    """

    @checked
    def __init__(self, *, refresh_rate: PositiveInt = 10) -> None:
        super().__init__(refresh_rate=refresh_rate)

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """What stands behind the bar."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics

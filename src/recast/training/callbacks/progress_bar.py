"""The progress bar of a training run."""

import time
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import RichProgressBar

from recast.options import PositiveInt, checked


class ProgressBar(RichProgressBar):
    """Lightning's rich progress bar without the logger's version.

    Args:
        refresh_rate: Drawings in a second at most; one takes about as long as a step of a small network. [1/s]
    """

    @checked
    def __init__(self, *, refresh_rate: PositiveInt = 4) -> None:
        super().__init__(refresh_rate=refresh_rate)
        self._due = 0.0
        self._batches = 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Lightning puts together what is shown after each batch, also where it is not drawn."""
        self._batches = batch_idx + 1
        now = time.monotonic()
        if now >= self._due:
            self._due = now + 1 / self.refresh_rate
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Shows the last batches, too."""
        self._update(self.train_progress_bar_id, self._batches)
        super().on_train_epoch_end(trainer, pl_module)

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """What stands behind the bar."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics

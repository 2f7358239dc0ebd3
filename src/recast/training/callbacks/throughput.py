"""How fast training goes."""

import time
from typing import Any

import lightning.pytorch as pl

from recast.options import checked
from recast.training.curves import is_due, log_curves


class Throughput(pl.Callback):
    """Logs training windows (or sequences) per second as `windows_per_second`.

    It is the mean over each logging interval, validation left out.
    """

    @checked
    def __init__(self) -> None:
        super().__init__()
        self._windows = 0
        self._seconds = 0.0
        self._started = 0.0

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Starts the clock."""
        self._started = time.perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Stops it, and logs at the interval."""
        self._seconds += time.perf_counter() - self._started
        share = getattr(batch, "share", None)
        self._windows += len(batch[0]) if share is None else share.total
        if is_due(trainer):
            log_curves(trainer, {"windows_per_second": self._windows / self._seconds})
            self._windows = 0
            self._seconds = 0.0

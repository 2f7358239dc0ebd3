"""Training curves: samples per second, and the gradient norm."""

import time
from typing import Any

import lightning.pytorch as pl
import torch
from torch.optim import Optimizer

from recast.options import checked
from recast.training.curves import is_due, log_curves


class GradientNorm(pl.Callback):
    """Logs the 2-norm of the whole gradient before clipping as `gradient_norm`, at the trainer's logging interval."""

    @checked
    def __init__(self) -> None:
        super().__init__()

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        """Lightning clips after this hook."""
        if not is_due(trainer):
            return
        gradients = [parameter.grad for parameter in pl_module.parameters() if parameter.grad is not None]
        log_curves(trainer, {"gradient_norm": torch.nn.utils.get_total_norm(gradients).item()})


class Throughput(pl.Callback):
    """Logs training windows (or sequences) per second as `windows_per_second`.

    It is the mean over each logging interval, excluding validation.
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

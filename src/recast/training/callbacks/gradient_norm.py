"""The length of the gradient, before clipping."""

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

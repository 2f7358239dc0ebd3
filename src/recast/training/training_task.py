"""The common base of tasks: the optimiser, training progress, and self-describing checkpoints."""

import logging
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Adam, Optimizer
from torchmetrics import Metric

from recast.errors import ConfigurationError
from recast.training.checkpoint_format import KEY, REASON
from recast.training.learning_rates import LearningRate
from recast.training.provenance import describe
from recast.training.resuming import Resuming
from recast.types import Progress, Share

log = logging.getLogger(__name__)


class TrainingTask(Resuming, ABC):
    """A model with its training and evaluation.

    A new kind of task subclasses this and implements `validation_curves` and Lightning's steps.

    Several processes that train together (DDP) take the same optimiser steps, up to rounding, as one process with
    `world` times the batch size: losses are weighted by `weighted`, and random numbers for a window do not depend on
    the process. Only dropout, and noise on a classifier's inputs, come from each process's own generator. A checkpoint
    holds the generators and carried states of all processes.

    Args:
        model: The model to train.
        optimizer: Builds the optimiser from the parameters; none: Adam with a rate of 1e-3.
        learning_rate: Schedule of the rate; none: constant.
        metrics: Builders of the metrics by name.
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        optimizer: Callable[..., Optimizer] | None,
        learning_rate: LearningRate | None,
        metrics: Mapping[str, Callable[..., Metric]],
    ) -> None:
        super().__init__()
        self.model = model
        self.optimizer = optimizer or Adam
        self.learning_rate = learning_rate
        self.metrics = dict(metrics)

    @property
    @abstractmethod
    def validation_curves(self) -> list[str]:
        """The curves that callbacks and learning rates may watch."""

    @property
    def progress(self) -> Progress:
        """The training progress."""
        trainer = self.trainer
        return Progress(
            step=trainer.global_step,
            total_steps=self._total_steps,
            epoch=trainer.current_epoch,
            total_epochs=trainer.max_epochs or 1,
        )

    def weighted(self, loss: Tensor, share: Share | None) -> Tensor:
        """The mean loss over this process's items, weighted so that its mean over processes is that over all items.

        Args:
            loss: The mean over the items of a training batch of this process.
            share: Which items of the global batch of all processes they are.
        """
        return loss if share is None else loss * share.weight

    def over_processes(self, mean: Tensor, share: Share | None) -> Tensor:
        """A mean over the items of the global training batch; all processes must call it.

        Args:
            mean: The mean over the items of this process.
            share: Which items of the global batch of all processes they are.
        """
        if share is None:
            return mean.detach()
        total = self.weighted(mean.detach(), share)
        torch.distributed.all_reduce(total)
        return total / self.trainer.world_size

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The optimiser, and its learning-rate schedule."""
        optimizer = self.optimizer(self.parameters())
        if self.learning_rate is None:
            return optimizer
        steps = self.trainer.estimated_stepping_batches
        if steps == float("inf"):
            raise ConfigurationError(
                "a learning-rate schedule needs to know how long training lasts: set trainer.max_epochs or "
                "trainer.max_steps, or use learning_rate=constant"
            )
        schedule = self.learning_rate.schedule(optimizer, int(steps))
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def describe(self) -> dict[str, Any]:
        """What a checkpoint must contain to be used without its run: see `recast.training.provenance`."""
        data = getattr(self.trainer, "datamodule", None)
        return describe(model=self.model, task=self, metrics=self.metrics, data=data)

    def on_fit_start(self) -> None:
        """Warns if checkpoints will be unusable without the training program."""
        reason = self.describe().get(REASON)
        if reason is not None and self.trainer.is_global_zero:
            log.warning("the checkpoints of this training cannot be restored by a command: %s", reason)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the checkpoint's self-description and the state needed to resume; called by Lightning."""
        checkpoint[KEY] = self.describe()
        super().on_save_checkpoint(checkpoint)

    def on_train_start(self) -> None:
        """Stores the planned length of training; called by Lightning."""
        steps = self.trainer.estimated_stepping_batches
        self._total_steps = int(steps) if steps != float("inf") else sys.maxsize
        super().on_train_start()

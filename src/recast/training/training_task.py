"""The common base of tasks: the optimiser, training progress, and self-describing checkpoints."""

import logging
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
from lightning.pytorch.core.optimizer import LightningOptimizer
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from torch.optim import Adam, Optimizer
from torchmetrics import Metric

from recast.errors import ConfigurationError
from recast.training.checkpoint_format import KEY, REASON
from recast.training.learning_rates import LearningRate
from recast.training.provenance import describe
from recast.training.resuming import Resuming
from recast.types import RANKING, Progress, Share

log = logging.getLogger(__name__)


class TrainingTask(Resuming, ABC):
    """A model with its training and evaluation.

    A new kind of task subclasses this and implements `validation_curves` and Lightning's steps. Its `training_step`
    returns the mean loss over the items of the batch, put through `weighted` and then `accumulated`: without the
    first, a task trains in one process; without the second, the batches of a step weigh the same whatever their size.

    Several processes that train together (DDP) take the same optimiser steps, up to rounding, as one process with
    `world` times the batch size: losses are weighted by `weighted`, and random numbers for a window do not depend on
    the process. Only dropout, and noise on a classifier's inputs, come from each process's own generator. A checkpoint
    holds the generators and carried states of all processes.

    With `trainer.accumulate_grad_batches` each optimiser step takes the mean over all items of the batches that it
    accumulated, as one large batch of them would: shorter batches count less, and the batches left over at the end of
    an epoch are not diminished.

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
        self._counts: list[float] = []

    @property
    @abstractmethod
    def validation_curves(self) -> list[str]:
        """The curves that callbacks and learning rates may watch."""

    @property
    def watched(self) -> str | None:
        """The curve that `RANKING` stands for; the first one, unless overridden."""
        return next(iter(self.validation_curves), None)

    def curve(self, monitor: str | None) -> str | None:
        """The validation curve that a callback's or learning rate's `monitor` names."""
        return self.watched if monitor == RANKING and self.watched is not None else monitor

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

    def accumulated(self, loss: Tensor, batch_idx: int, items: Tensor | float) -> Tensor:
        """The loss of a batch, weighted by its number of items where several batches make an optimiser step.

        The weights are those of the means of batches in the mean over all of them, up to a factor that is common to
        the step and only known at its end: see `optimizer_step`. For batches of equal size they are 1.

        Args:
            loss: What `weighted` gave.
            batch_idx: Number of the batch in the epoch.
            items: What the mean loss averages over, in the batches of all processes together.
        """
        if self.trainer.accumulate_grad_batches == 1:
            return loss
        if batch_idx % self.trainer.accumulate_grad_batches == 0:
            self._counts = []
        self._counts.append(float(items))
        # The first batch with items is the unit.
        unit = next(filter(None, self._counts), 1.0)
        return loss * (self._counts[-1] / unit)

    def optimizer_step(
        self,
        epoch: int,
        batch_idx: int,
        optimizer: Optimizer | LightningOptimizer,
        optimizer_closure: Callable[[], Any] | None = None,
    ) -> None:
        """Takes the step, with the mean gradient over all items of the accumulated batches; called by Lightning.

        Of a task that does not call `accumulated`, all batches weigh the same.
        """
        accumulate = self.trainer.accumulate_grad_batches
        if accumulate == 1 or optimizer_closure is None:
            super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
            return

        def backward() -> Any:
            loss = optimizer_closure()
            counts = self._counts or [1.0] * (batch_idx % accumulate + 1)
            self._counts = []
            # Lightning has divided each loss by `accumulate`, however many batches there were. Without any item there
            # is no gradient either.
            factor = accumulate * next(filter(None, counts), 1.0) / (sum(counts) or 1.0)
            if factor != 1:
                for parameter in self.parameters():
                    if parameter.grad is not None:
                        parameter.grad.mul_(factor)
            return loss

        # Within the closure: what is called before the step, such as clipping, sees the mean.
        super().optimizer_step(epoch, batch_idx, optimizer, backward)

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
        if "monitor" in schedule:
            schedule["monitor"] = self.curve(schedule["monitor"])
            # Between validations there would be no value at first, and later an old one, taken for no improvement.
            schedule["frequency"] = self.trainer.check_val_every_n_epoch or 1
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

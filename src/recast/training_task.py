"""What all tasks share: the optimiser, how far training has come, and a state that resumes bit for bit."""

import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import nn
from torch.optim import Adam, Optimizer

from recast.errors import ConfigurationError
from recast.learning_rates.learning_rate import LearningRate
from recast.types import Progress


class TrainingTask(pl.LightningModule, ABC):
    """A model with its training and evaluation.

    A new kind of task inherits from this class, writes `validation_curves` and Lightning's steps.

    Args:
        model: What is trained.
        optimizer: Builds the optimiser from the parameters; none: Adam with rate 1e-3.
        learning_rate: How the rate moves; none: it stays.
    """

    def __init__(
        self, *, model: nn.Module, optimizer: Callable[..., Optimizer] | None, learning_rate: LearningRate | None
    ) -> None:
        super().__init__()
        self.model = model
        self.optimizer = optimizer or Adam
        self.learning_rate = learning_rate

    @property
    @abstractmethod
    def validation_curves(self) -> list[str]:
        """The curves that callbacks and learning rates may watch."""

    @property
    def progress(self) -> Progress:
        """How far training has come."""
        trainer = self.trainer
        return Progress(
            step=trainer.global_step,
            total_steps=self._total_steps,
            epoch=trainer.current_epoch,
            total_epochs=trainer.max_epochs or 1,
        )

    def configure_optimizers(self) -> OptimizerLRScheduler:
        """The optimiser, and how its rate moves."""
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

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Adds the state of torch's generators and of the training loader: both go on where they were."""
        checkpoint["generators"] = {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}
        loader: Any = self.trainer.train_dataloader
        if hasattr(loader, "state_dict"):
            checkpoint["train_loader"] = loader.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keeps these states until training starts; building and validating in between may draw numbers."""
        self._generators = checkpoint.get("generators")
        self._train_loader = checkpoint.get("train_loader")

    def on_train_start(self) -> None:
        """Notes the planned length of training; restores generators and loader after a resume."""
        steps = self.trainer.estimated_stepping_batches
        self._total_steps = int(steps) if steps != float("inf") else sys.maxsize
        generators = getattr(self, "_generators", None)
        if generators is not None:
            torch.set_rng_state(generators["cpu"].cpu())
            torch.cuda.set_rng_state_all([state.cpu() for state in generators["cuda"]])
            self._generators = None
        # Lightning restores a loader only where it builds it after reading the checkpoint; a learning rate that asks
        # for the number of steps makes it build it before.
        position = getattr(self, "_train_loader", None)
        if position is not None:
            loader: Any = self.trainer.train_dataloader
            loader.load_state_dict(position)
            self._train_loader = None

"""Checkpoints of the latest training state, so that little is lost when a run is killed."""

import time
from collections.abc import Mapping
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Checkpoint

from recast.options import PositiveInt, checked
from recast.system.signals import DeferredSignals
from recast.training.checkpoint_format import last_checkpoint_path
from recast.training.resuming import begin_next_epoch, may_save_after, saves_between_epochs

FINISHED = "recast_finished"
SECONDS = "recast_seconds"
LONG_AGO = 10.0  # seconds of training after which a save before a validation pays off
GO_ON = "the same command with resume=true goes on"


class LastCheckpoint(Checkpoint):
    """Saves the whole state of training to `checkpoints/last.ckpt` every few steps, on a signal, and at the end.

    On a signal (see `recast.system.signals`) the state is saved after the current batch, by all processes together, and
    training ends with StoppedBySignalError; a validation ends after the current batch, and the last saved state
    remains. States are saved mid-epoch, and not directly before a validation: what Lightning does there (validation,
    early stopping, plateau schedules) is then repeated on resume rather than partly restored. Where an epoch has no
    such point, as with one batch, they are saved between epochs. So that a long validation can be aborted without
    losing much, a state is also saved at the last possible point before it if ten seconds have passed.

    Args:
        every_n_steps: Optimiser steps between saves. [steps]
    """

    @checked
    def __init__(self, *, every_n_steps: PositiveInt = 200) -> None:
        super().__init__()
        self.every_n_steps = every_n_steps
        self._saved_step = 0
        self._saved_at = 0.0
        self._started = 0.0
        self._seconds_before = 0.0
        self._signals = DeferredSignals()
        self._finished = False
        self._between_epochs = False
        self._common_batches = 0

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Starts the clock of this attempt."""
        self._started = time.monotonic()

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Goes on with the time of the attempts before."""
        self._seconds_before = checkpoint.get(SECONDS, 0.0)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Starts deferring signals."""
        self._saved_at = time.monotonic()
        self._signals.begin()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The same as after a batch, if epochs have no point at which to save."""
        if trainer.current_epoch and saves_between_epochs(trainer):
            stop = self._is_signalled(trainer)
            self._between_epochs = True
            self._save_and_leave(trainer, due=self._is_due(trainer), stop=stop)
            self._between_epochs = False

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Saves if due, and stops if a signal came."""
        batches = trainer.accumulate_grad_batches
        if (batch_idx + 1) % batches:
            return
        stop = self._is_signalled(trainer)
        if not may_save_after(trainer, batch_idx):
            # The signal stays pending for the validation that follows, and for the next epoch.
            return
        due = self._is_due(trainer)
        if not may_save_after(trainer, batch_idx + batches):
            due = due or self._is_long_ago(trainer)
        self._save_and_leave(trainer, due=due, stop=stop)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Finds how many batches every process has: until then they can agree on stopping."""
        batches = torch.tensor(sum(trainer.num_val_batches), device=trainer.strategy.root_device)
        self._common_batches = int(trainer.strategy.reduce(batches, reduce_op="min"))

    def on_validation_batch_end(  # noqa: PLR0917 as Lightning calls it
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Stops if a signal came."""
        # After the last batch that all processes have, it stays pending until the next training batch.
        if batch_idx < self._common_batches and self._is_signalled(trainer):
            kept = f"the state is saved as of step {self._saved_step}" if self._saved_step else "no state is saved yet"
            self._signals.stop(f"{self._name} in the validation after step {trainer.global_step}: {kept}; {GO_ON}")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Saves the finished state."""
        self._finished = True
        self._save(trainer)
        if self._is_signalled(trainer):
            self._signals.stop(f"{self._name} after the last step: the state is saved; {GO_ON}")

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Marks whether training is finished, and how long it took, in all attempts that led to this state."""
        checkpoint[FINISHED] = self._finished
        checkpoint[SECONDS] = self._seconds_before + time.monotonic() - self._started
        if self._between_epochs:
            begin_next_epoch(trainer, checkpoint)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Stops deferring signals."""
        self._signals.end()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Stops deferring signals; the last good state is kept."""
        self._signals.drop()

    def state_dict(self) -> Mapping[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride] read only
        """The step of the last save."""
        return {"saved_step": self._saved_step}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """The inverse."""
        self._saved_step = state_dict["saved_step"]

    def _save(self, trainer: pl.Trainer) -> None:
        self._saved_step, self._saved_at = trainer.global_step, time.monotonic()
        trainer.save_checkpoint(last_checkpoint_path(trainer.default_root_dir))

    def _save_and_leave(self, trainer: pl.Trainer, *, due: bool, stop: bool) -> None:
        if due or stop:
            self._save(trainer)
        if stop:
            self._signals.stop(f"{self._name} at step {trainer.global_step}: the state is saved; {GO_ON}")

    def _is_due(self, trainer: pl.Trainer) -> bool:
        return trainer.global_step - self._saved_step >= self.every_n_steps

    @property
    def _name(self) -> str:
        return self._signals.signal.name if self._signals.signal else "a signal to another process"

    def _is_signalled(self, trainer: pl.Trainer) -> bool:
        """Whether a signal came, to this process or another one of the training."""
        return _any_process(trainer, self._signals.signal is not None)

    def _is_long_ago(self, trainer: pl.Trainer) -> bool:
        # Clocks differ, and processes save together.
        return _any_process(trainer, time.monotonic() - self._saved_at > LONG_AGO)


def _any_process(trainer: pl.Trainer, decision: bool) -> bool:
    return trainer.strategy.reduce_boolean_decision(decision, all=False) if trainer.world_size > 1 else decision

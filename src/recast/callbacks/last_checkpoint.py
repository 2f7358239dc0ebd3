"""Nothing is lost when a run is killed: the last state on disk, always whole, never old."""

import signal
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.callbacks import Checkpoint

from recast.errors import StoppedBySignalError
from recast.options import PositiveInt, checked

FINISHED = "recast_finished"


def last_checkpoint_path(root: str | Path) -> Path:
    """Where the last state of the run in the folder `root` lies."""
    return Path(root) / "checkpoints" / "last.ckpt"


class LastCheckpoint(Checkpoint):
    """Saves the whole state of training to `checkpoints/last.ckpt` every few steps, on a signal, and at the end.

    On SIGTERM and SIGINT the state is saved after the batch in work and training ends with StoppedBySignalError; a
    second signal ends the process at once. States are saved in mid-epoch only, and not just before a validation: what
    Lightning does there (validation, early stopping, plateau schedules) is then done again on resume rather than half
    remembered.

    Args:
        every_n_steps: Optimiser steps between saves. [steps]
    """

    @checked
    def __init__(self, *, every_n_steps: PositiveInt = 200) -> None:
        super().__init__()
        self.every_n_steps = every_n_steps
        self._saved_step = -1
        self._signal: int | None = None
        self._handlers: dict[int, Any] = {}
        self._finished = False

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Takes over the signals, after Lightning has set its own handlers."""
        for number in (signal.SIGTERM, signal.SIGINT):
            self._handlers[number] = signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._signal = number
        signal.signal(number, signal.SIG_DFL)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Saves where it is due, and leaves where a signal came."""
        complete = (batch_idx + 1) % trainer.accumulate_grad_batches == 0
        if not complete or batch_idx + 1 >= trainer.num_training_batches or _validation_follows(trainer, batch_idx):
            return
        due = trainer.global_step % self.every_n_steps == 0 and trainer.global_step != self._saved_step
        if due or self._signal is not None:
            self._save(trainer)
        self._leave_if_signalled(trainer)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Saves the finished state."""
        self._finished = True
        self._save(trainer)
        self._leave_if_signalled(trainer)

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Marks whether training is finished."""
        checkpoint[FINISHED] = self._finished

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Gives the signals back."""
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Gives the signals back; the last good state stays."""
        self.teardown(trainer, pl_module, "fit")

    def state_dict(self) -> Mapping[str, Any]:  # pyright: ignore[reportIncompatibleMethodOverride] read only
        """The step last saved at."""
        return {"saved_step": self._saved_step}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """The inverse."""
        self._saved_step = state_dict["saved_step"]

    def _save(self, trainer: pl.Trainer) -> None:
        self._saved_step = trainer.global_step
        trainer.save_checkpoint(last_checkpoint_path(trainer.default_root_dir))

    def _leave_if_signalled(self, trainer: pl.Trainer) -> None:
        if self._signal is not None:
            name = signal.Signals(self._signal).name
            raise StoppedBySignalError(
                f"{name} at step {trainer.global_step}: the state is saved; the same command with resume=true goes on"
            )


def _validation_follows(trainer: pl.Trainer, batch_idx: int) -> bool:
    """Whether Lightning validates after this batch (`val_check_interval`); on resume it would leave that out."""
    interval = trainer.val_check_batch
    return isinstance(interval, int) and (batch_idx + 1) % interval == 0

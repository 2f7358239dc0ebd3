"""The best state on the validation part."""

import warnings
from pathlib import Path
from typing import Literal

import lightning.pytorch as pl
from lightning.pytorch.callbacks import ModelCheckpoint

from recast.options import checked


def best_checkpoint_path(root: str | Path) -> Path:
    """Where the best state of the run in the folder `root` lies."""
    return Path(root) / "checkpoints" / "best.ckpt"


class BestCheckpoint(ModelCheckpoint):
    """Keeps `checkpoints/best.ckpt` of the run, chosen by a validation curve. Without validation windows it is idle.

    Args:
        monitor: The validation curve that is watched.
        mode: Whether smaller ("min") or larger ("max") is better.
    """

    @checked
    def __init__(self, *, monitor: str = "mse/validation", mode: Literal["min", "max"] = "min") -> None:
        super().__init__(
            filename="best",
            monitor=monitor,
            mode=mode,
            save_top_k=1,
            save_on_train_epoch_end=False,
            enable_version_counter=False,
            auto_insert_metric_name=False,
        )

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Puts the file into the run's folder, not into the logger's."""
        self.dirpath = str(best_checkpoint_path(trainer.default_root_dir).parent)
        with warnings.catch_warnings():
            # Said of every run that is resumed; another run's folder is refused elsewhere.
            warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")
            super().setup(trainer, pl_module, stage)

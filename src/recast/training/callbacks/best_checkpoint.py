"""The best state on the validation part."""

import warnings
from collections.abc import Mapping
from typing import Any, Literal

import lightning.pytorch as pl
from lightning.pytorch.callbacks import ModelCheckpoint

from recast.options import checked
from recast.training.checkpoint_format import best_checkpoint_path
from recast.training.training_task import TrainingTask
from recast.types import RANKING


def selection(checkpoint: Mapping[str, Any]) -> dict[str, Any] | None:
    """How a checkpoint was selected: `monitor`, `mode` and the best `value`; None without validation.

    Args:
        checkpoint: The content of a checkpoint.
    """
    for key, state in checkpoint["callbacks"].items():
        if key.startswith(BestCheckpoint.__name__) and "mode" in state and state["best_model_score"] is not None:
            return {"monitor": state["monitor"], "mode": state["mode"], "value": state["best_model_score"].item()}
    return None


class BestCheckpoint(ModelCheckpoint):
    """Keeps `checkpoints/best.ckpt` of the run, selected by a validation curve. Idle without validation windows.

    Args:
        monitor: The validation curve to monitor; "ranking/validation": see `recast.types.RANKING`.
        mode: Whether smaller ("min") or larger ("max") is better.
    """

    @checked
    def __init__(self, *, monitor: str = RANKING, mode: Literal["min", "max"] = "min") -> None:
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
        """Puts the file into the run's folder, not into the logger's, and finds the curve."""
        if isinstance(pl_module, TrainingTask):
            self.monitor = pl_module.curve(self.monitor)
        self.dirpath = str(best_checkpoint_path(trainer.default_root_dir).parent)
        with warnings.catch_warnings():
            # Raised by every resumed run; another run's folder is rejected elsewhere.
            warnings.filterwarnings("ignore", message="Checkpoint directory .* exists and is not empty")
            super().setup(trainer, pl_module, stage)

    def state_dict(self) -> dict[str, Any]:
        """Lightning's, and which direction is better."""
        return super().state_dict() | {"mode": self.mode}

"""recast as recast-train sets it up, for measurements of its training from within."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import lightning.pytorch as pl

from recast.data.datamodule import ForecastDataModule
from recast.runs.configure import folders
from recast.runs.configure.build import build
from recast.runs.configure.check import check
from recast.runs.configure.compose import compose
from recast.runs.configure.training_options import TrainOptions
from recast.runs.fit import build_task
from recast.runs.machine import set_up
from recast.runs.trainer import build_trainer, quiet_lightning
from recast.training.task import ForecastTask


class Run(NamedTuple):
    """A trainer with its callbacks and loggers, an untrained task with its model, and its data."""

    config: dict[str, Any]
    trainer: pl.Trainer
    task: ForecastTask
    data: ForecastDataModule

    def fit(self) -> None:
        """Trains, without validation."""
        self.trainer.limit_val_batches = 0
        self.trainer.fit(self.task, self.data)


def checked_config(overrides: Sequence[str]) -> dict[str, Any]:
    """The configuration of `recast-train OVERRIDES`, in plain containers."""
    quiet_lightning()
    folders.register()
    config = compose("train", overrides)
    check(config, TrainOptions)
    return {"learning_rate": None, **config}


def set_up_run(overrides: Sequence[str], folder: Path, *callbacks: pl.Callback) -> Run:
    """All that `recast-train OVERRIDES` has when its training begins, but for baselines.

    Args:
        overrides: As on the command line.
        folder: The run's folder.
        callbacks: They come behind those of the configuration.
    """
    config = checked_config(overrides)
    set_up(config)
    pl.seed_everything(config["seed"], verbose=False)
    trainer = build_trainer(config, folder, None)
    listed: list[pl.Callback] = trainer.callbacks  # pyright: ignore[reportAttributeAccessIssue] set at run time
    listed.extend(callbacks)
    data = build(config["data"])
    task = cast("ForecastTask", build_task(config, data.spec))
    return Run(config, trainer, task, data)

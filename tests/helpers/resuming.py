"""Training that is stopped and resumed, compared bit for bit with training without a stop."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from lightning.pytorch.loggers import Logger
from small_data import small_data

from recast.data.prepare.regime import Regime
from recast.data.spec import SeriesSpec
from recast.nn.cells.cell import Cell
from recast.nn.cells.gru import GRU
from recast.nn.heads.point import Point
from recast.nn.models.encoder_decoder import EncoderDecoder
from recast.nn.models.model import ForecastModel
from recast.nn.schedules import Linear
from recast.runs.checkpoints.io import WholeCheckpointIO
from recast.training.callbacks.best_checkpoint import BestCheckpoint
from recast.training.callbacks.last_checkpoint import LastCheckpoint
from recast.training.checkpoint_format import best_checkpoint_path, last_checkpoint_path
from recast.training.task import ForecastTask


class Killed(Exception):
    """What the tests kill a run with."""


class Kill(pl.Callback):
    """Raises at the given call of a hook, as if the process died there."""

    def __init__(self, hook: str, call: int) -> None:
        self.left = call
        setattr(self, hook, self._count)

    def _count(self, *_: object) -> None:
        if self.left == 0:
            raise Killed
        self.left -= 1


class Diary(pl.Callback):
    """Counts the calls of hooks; keeps what validation found, by the step it was done at."""

    def __init__(self) -> None:
        self.calls = dict.fromkeys(HOOKS, 0)
        self.validation: dict[int, dict[str, float]] = {}
        for hook in HOOKS:
            setattr(self, hook, self._counter(hook))

    def _counter(self, hook: str) -> Callable[..., None]:
        def count(trainer: pl.Trainer, *_: object) -> None:
            self.calls[hook] += 1
            if hook == "on_validation_end":
                self.validation[trainer.global_step] = {
                    name: value.item() for name, value in trainer.callback_metrics.items()
                }

        return count


HOOKS = ("on_train_batch_start", "on_before_optimizer_step", "on_validation_batch_start", "on_validation_end")


class Curves(Logger):
    """Keeps every point that is logged."""

    name = "curves"
    version = 0

    def __init__(self) -> None:
        super().__init__()
        self.points: dict[tuple[int, str], float] = {}

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.points |= {(step, name): value for name, value in metrics.items()}

    def log_hyperparams(self, *_: object, **__: object) -> None: ...


@dataclass
class Setting:
    """Everything that defines a run."""

    cell: type[Cell[Any]] = GRU
    head: Callable[[], Any] = Point
    learning_rate: Callable[[], Any] | None = None
    optimizer: Callable[..., torch.optim.Optimizer] = lambda parameters: torch.optim.Adam(parameters, lr=0.03)
    callbacks: Callable[[], list[pl.Callback]] = list
    mask_unit: str = "step"
    regime: Regime | None = None
    batch_size: int = 20
    build: Callable[["Setting", SeriesSpec], ForecastModel] | None = None
    every_n_steps: int = 1
    saved_between_epochs: bool = False
    trainer: dict[str, Any] = field(default_factory=dict)

    def encoder_decoder(self, spec: SeriesSpec) -> ForecastModel:
        return EncoderDecoder(
            spec=spec,
            cell=partial(self.cell, hidden_size=5),
            head=self.head(),
            schedule=Linear(start=0.9, end=0.1),
            layers=2,
            dropout=0.2,
            mask_unit=self.mask_unit,
        )

    def train(self, folder: Path, *extra: pl.Callback, resume: bool = False) -> "Run":
        last = last_checkpoint_path(folder)
        resume = resume and last.exists()
        # A resumed run owes nothing to the generators' state when it is built.
        pl.seed_everything(8 if resume else 7, verbose=False)
        data = small_data(batch_size=self.batch_size, regime=self.regime)
        model = (self.build or Setting.encoder_decoder)(self, data.spec)
        task = ForecastTask(
            model=model,
            optimizer=self.optimizer,
            learning_rate=self.learning_rate() if self.learning_rate else None,
            validation_samples=3,
        )
        run = Run(task, start=torch.load(last, weights_only=True)["global_step"] if resume else 0)
        options = {"max_epochs": 3, "gradient_clip_val": 1.0, "log_every_n_steps": 1} | self.trainer
        trainer = pl.Trainer(
            **options,
            accelerator="cpu",
            default_root_dir=folder,
            callbacks=[
                *self.callbacks(),
                BestCheckpoint(),
                LastCheckpoint(every_n_steps=self.every_n_steps),
                run.diary,
                *extra,
            ],
            logger=run.curves,
            plugins=[WholeCheckpointIO()],
            num_sanity_val_steps=0,
            deterministic=True,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        run.trainer = trainer
        trainer.fit(task, data, ckpt_path=last if resume else None, weights_only=True)
        return run


class Run:
    """What came of a run."""

    trainer: pl.Trainer

    def __init__(self, task: ForecastTask, start: int) -> None:
        self.task = task
        self.start = start
        self.diary = Diary()
        self.curves = Curves()

    def weights(self) -> dict[str, torch.Tensor]:
        return self.task.state_dict()


def assert_same_state(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def assert_resumes(
    setting: Setting, folder: Path, kills: list[tuple[str, int]] | None = None, *, calls: slice = slice(None)
) -> Run:
    """Kills a run at each of `kills` (none: at `calls` of each hook), resumes, and compares with the unbroken run."""
    whole = setting.train(folder / "whole")
    best = torch.load(best_checkpoint_path(folder / "whole"), weights_only=True)
    if kills is None:
        kills = [(hook, call) for hook in HOOKS for call in range(whole.diary.calls[hook])[calls]]
    for hook, call in kills:
        place = folder / f"{hook}{call}"
        with pytest.raises(Killed):
            setting.train(place, Kill(hook, call))
        run = setting.train(place, resume=True)
        message = f"killed at {hook} {call}"
        assert run.trainer.global_step == whole.trainer.global_step, message
        if run.start < run.trainer.global_step:  # else nothing was left to do
            assert run.trainer.current_epoch == whole.trainer.current_epoch, message
        assert_same_state(run.weights(), whole.weights())
        # What lies between the last save and the death is done again; saved between epochs, the validation is over.
        first = run.start + 1 if setting.saved_between_epochs and run.start else run.start
        expected = {step: found for step, found in whole.diary.validation.items() if step >= first}
        assert run.diary.validation == expected, message
        expected = {point: value for point, value in whole.curves.points.items() if point[0] >= first}
        assert {point: value for point, value in run.curves.points.items() if point[0] >= first} == expected, message
        resumed_best = torch.load(best_checkpoint_path(place), weights_only=True)
        assert resumed_best["global_step"] == best["global_step"], message
        assert_same_state(resumed_best["state_dict"], best["state_dict"])
    return whole

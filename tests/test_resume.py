"""A run that died anywhere goes on as if it had not: weights, curves, validation, choice of the best state."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import recast.cells
import torch
from conftest import small_data
from finding import concrete_classes
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import Logger

from recast.callbacks.best_checkpoint import BestCheckpoint, best_checkpoint_path
from recast.callbacks.last_checkpoint import LastCheckpoint, last_checkpoint_path
from recast.cells.cell import Cell
from recast.cells.gru import GRU
from recast.checkpoint_io import WholeCheckpointIO
from recast.heads.gaussian import Gaussian
from recast.heads.point import Point
from recast.learning_rates.cosine import Cosine
from recast.learning_rates.one_cycle import OneCycle
from recast.learning_rates.plateau import Plateau
from recast.models.encoder_decoder import EncoderDecoder
from recast.schedules.linear import Linear
from recast.task import ForecastTask

CELLS = concrete_classes(recast.cells, Cell)


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
HOOKS += ("on_train_epoch_start", "on_train_epoch_end", "on_train_end")


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
    coin: str = "step"
    every_n_steps: int = 1
    trainer: dict[str, Any] = field(default_factory=dict)

    def train(self, folder: Path, *extra: pl.Callback, resume: bool = False) -> "Run":
        pl.seed_everything(7, verbose=False)
        if resume:  # a resumed run owes nothing to the numbers drawn before it
            torch.randn(resume + 3)
        data = small_data(batch_size=20)
        model = EncoderDecoder(
            spec=data.spec,
            cell=lambda input_size: self.cell(input_size=input_size, hidden_size=5),
            head=self.head(),
            schedule=Linear(start=0.9, end=0.1),
            layers=2,
            dropout=0.2,
            coin=self.coin,
        )
        task = ForecastTask(
            model=model,
            optimizer=self.optimizer,
            learning_rate=self.learning_rate() if self.learning_rate else None,
            validation_samples=3,
        )
        run = Run(task)
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
        last = last_checkpoint_path(folder)
        run.trainer = trainer
        trainer.fit(task, data, ckpt_path=last if resume and last.exists() else None)
        return run


class Run:
    """What came of a run."""

    trainer: pl.Trainer

    def __init__(self, task: ForecastTask) -> None:
        self.task = task
        self.diary = Diary()
        self.curves = Curves()

    def weights(self) -> dict[str, torch.Tensor]:
        return self.task.state_dict()


def assert_same_state(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        assert torch.equal(value, other[name]), name


def assert_resumes(setting: Setting, folder: Path, kills: list[tuple[str, int]] | None = None) -> Run:
    """Kills a run at each of `kills` (none: at each call of each hook), resumes, and compares with the unbroken run."""
    whole = setting.train(folder / "whole")
    best = torch.load(best_checkpoint_path(folder / "whole"), weights_only=True)
    if kills is None:
        kills = [(hook, call) for hook in HOOKS for call in range(whole.diary.calls[hook])]
    for hook, call in kills:
        place = folder / f"{hook}{call}"
        with pytest.raises(Killed):
            setting.train(place, Kill(hook, call))
        run = setting.train(place, resume=True)
        message = f"killed at {hook} {call}"
        assert run.trainer.global_step == whole.trainer.global_step, message
        assert run.trainer.current_epoch == whole.trainer.current_epoch, message
        assert_same_state(run.weights(), whole.weights())
        assert run.diary.validation.items() <= whole.diary.validation.items(), message
        assert max(run.diary.validation) == max(whole.diary.validation), message
        assert run.curves.points.items() <= whole.curves.points.items(), message
        resumed_best = torch.load(best_checkpoint_path(place), weights_only=True)
        assert resumed_best["global_step"] == best["global_step"], message
        assert_same_state(resumed_best["state_dict"], best["state_dict"])
    return whole


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.__name__)
def test_a_run_killed_anywhere_resumes_bit_for_bit(cell, tmp_path):
    whole = assert_resumes(Setting(cell=cell, learning_rate=OneCycle), tmp_path)
    assert whole.trainer.global_step == 12

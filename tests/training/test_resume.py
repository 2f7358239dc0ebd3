"""A run that died anywhere goes on as if it had not: weights, curves, validation, choice of the best state."""

import lightning.pytorch as pl
import pytest
import torch
from finding import concrete_classes
from lightning.pytorch.callbacks import EarlyStopping
from resuming import HOOKS, Kill, Killed, Setting, assert_resumes, assert_same_state

import recast.nn.cells
from recast.nn.cells.cell import Cell
from recast.nn.heads.gaussian import Gaussian
from recast.training.learning_rates import Cosine, OneCycle, Plateau
from recast.training.task import ForecastTask

CELLS = concrete_classes(recast.nn.cells, Cell)
ALWAYS = ("GRU",)
"""Cells of the default run; the others share all of their code that resumes."""
OFTEN_AND_SELDOM = [pytest.param(cell, marks=() if cell.__name__ in ALWAYS else pytest.mark.slow) for cell in CELLS]


HOOKS += ("on_train_epoch_start", "on_train_epoch_end", "on_train_end")


@pytest.mark.parametrize("cell", OFTEN_AND_SELDOM, ids=lambda cell: cell.__name__)
def test_a_run_killed_anywhere_resumes_bit_for_bit(cell, tmp_path):
    kills = [("on_train_batch_start", step) for step in (range(1, 8) if cell.__name__ in ALWAYS else (2, 5))]
    kills += [("on_validation_end", 0), ("on_train_epoch_end", 1)]
    whole = assert_resumes(Setting(cell=cell, learning_rate=OneCycle, trainer={"max_epochs": 2}), tmp_path, kills)
    assert whole.trainer.global_step == 8
    assert len(whole.diary.validation) == 2


def stops_early() -> list[pl.Callback]:
    return [EarlyStopping("mse/validation", patience=1, check_on_train_epoch_end=False)]


SETTINGS = {
    "plateau, early stopping": Setting(
        learning_rate=lambda: Plateau(patience=0, factor=0.5),
        callbacks=stops_early,
        # So wild that validation stalls in the second epoch.
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.5),
        trainer={"max_epochs": 6},
    ),
    "plateau": Setting(
        learning_rate=lambda: Plateau(patience=0, factor=0.5),
        # So wild that the rate falls after several epochs.
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=1.0),
        trainer={"max_epochs": 5},
    ),
    "plateau, validated early in epochs": Setting(
        learning_rate=lambda: Plateau(patience=0, factor=0.5),
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=1.0),
        batch_size=10,
        trainer={"val_check_interval": 5, "max_epochs": 3},
    ),
    "gaussian": Setting(head=Gaussian, mask_unit="sequence"),
    "accumulated": Setting(learning_rate=OneCycle, mask_unit="batch", trainer={"accumulate_grad_batches": 2}),
    "few batches an epoch": Setting(learning_rate=Cosine, trainer={"limit_train_batches": 2}),
    "by steps": Setting(learning_rate=Cosine, trainer={"max_epochs": -1, "max_steps": 7}),
    "by steps and epochs": Setting(trainer={"max_epochs": 9, "max_steps": 7}),
    "seldom validated": Setting(trainer={"check_val_every_n_epoch": 2, "max_epochs": 4}),
    "seldom saved": Setting(every_n_steps=3),
    "validated within epochs": Setting(trainer={"val_check_interval": 2}),
    "one batch an epoch": Setting(
        learning_rate=lambda: Plateau(patience=0, factor=0.5),
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=0.5),
        batch_size=80,
        saved_between_epochs=True,
        trainer={"max_epochs": 6},
    ),
    "one batch an epoch, seldom validated": Setting(
        batch_size=80, saved_between_epochs=True, trainer={"check_val_every_n_epoch": 3, "max_epochs": 7}
    ),
    "one step an epoch": Setting(
        learning_rate=Cosine, saved_between_epochs=True, trainer={"accumulate_grad_batches": 4}
    ),
    "always validated": Setting(learning_rate=Cosine, saved_between_epochs=True, trainer={"val_check_interval": 1}),
}
"""Kills that reach each kind of place: within the second epoch, between epochs, in validation."""
KILLS = [("on_train_batch_start", 5), ("on_validation_end", 0), ("on_train_epoch_start", 1)]


@pytest.mark.parametrize("name", ["gaussian", "validated within epochs"])
def test_other_runs_resume_too(name, tmp_path):
    """Some of those that are killed everywhere below."""
    assert_resumes(SETTINGS[name], tmp_path, KILLS)


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_other_runs_killed_anywhere_resume_too(name, tmp_path):
    """At every second call of each hook; half of the settings at the even ones, half at the odd ones."""
    assert_resumes(SETTINGS[name], tmp_path, calls=slice(list(SETTINGS).index(name) % 2, None, 2))


def test_early_stopping_and_plateau_do_something_in_the_run_that_is_resumed(tmp_path):
    whole = SETTINGS["plateau, early stopping"].train(tmp_path)
    assert whole.trainer.current_epoch < 6
    assert whole.trainer.optimizers[0].param_groups[0]["lr"] < 0.5


def test_a_run_killed_twice_resumes_too(tmp_path):
    setting = Setting(learning_rate=OneCycle)
    whole = setting.train(tmp_path / "whole")
    with pytest.raises(Killed):
        setting.train(tmp_path / "run", Kill("on_train_batch_start", 3))
    with pytest.raises(Killed):
        setting.train(tmp_path / "run", Kill("on_train_batch_start", 6), resume=True)
    run = setting.train(tmp_path / "run", resume=True)
    assert run.start > 3
    assert_same_state(run.weights(), whole.weights())


def test_the_comparison_sees_a_lost_random_state(tmp_path, monkeypatch):
    monkeypatch.setattr(ForecastTask, "on_load_checkpoint", lambda self, checkpoint: None)
    with pytest.raises(AssertionError):
        assert_resumes(Setting(learning_rate=OneCycle), tmp_path, [("on_train_batch_start", 2)])

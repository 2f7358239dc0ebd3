"""Learning rates: as torch moves them, at the step and in the epoch where they should move."""

import importlib
from functools import partial

import lightning.pytorch as pl
import pytest
import torch
from finding import concrete_classes
from hypothesis import given, settings
from hypothesis import strategies as st
from small_data import small_data

import recast.training.learning_rates
from recast.data.datamodule import ForecastDataModule
from recast.errors import ConfigurationError
from recast.nn.cells.rnn import RNN
from recast.nn.heads.point import Point
from recast.nn.models.encoder_decoder import EncoderDecoder
from recast.nn.schedules import Never
from recast.training.learning_rates import Cosine, LearningRate, OneCycle, Plateau
from recast.training.task import ForecastTask

CLASSES = concrete_classes(recast.training.learning_rates, LearningRate)
STEPS = 40


def optimizer_with(lr: float) -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=lr)


def rates(learning_rate: LearningRate, steps: int, peak: float = 0.1) -> list[float]:
    """The rate before each step."""
    optimizer = optimizer_with(peak)
    scheduler = learning_rate.schedule(optimizer, steps)["scheduler"]
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


class Rates(pl.Callback):
    """Notes the rate of each optimiser step."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.errors: list[float] = []

    def on_before_optimizer_step(self, trainer, pl_module, optimizer) -> None:
        self.steps.append(optimizer.param_groups[0]["lr"])

    def on_validation_end(self, trainer, pl_module) -> None:
        self.errors.append(trainer.callback_metrics["mse/validation"].item())


def trained(learning_rate: LearningRate | None, *, lr: float = 0.1, **trainer) -> Rates:
    data: ForecastDataModule = small_data()
    torch.manual_seed(0)
    model = EncoderDecoder(spec=data.spec, cell=partial(RNN, hidden_size=4), head=Point(), schedule=Never())
    task = ForecastTask(model=model, optimizer=partial(torch.optim.SGD, lr=lr), learning_rate=learning_rate)
    noted = Rates()
    options = {
        "accelerator": "cpu",
        "callbacks": [noted],
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 0,
    }
    pl.Trainer(**(options | trainer)).fit(task, data)
    return noted


def test_classes_are_found():
    assert set(CLASSES) == {Cosine, OneCycle, Plateau}
    assert importlib.import_module("recast.training.learning_rates").Cosine is Cosine


def test_one_cycle_rises_to_the_peak_and_falls_to_almost_nothing():
    found = rates(OneCycle(warmup=0.25, divide=10.0, final_divide=50.0), STEPS)
    assert found[0] == pytest.approx(0.1 / 10)
    assert max(found) == pytest.approx(0.1)
    assert found.index(max(found)) == 9
    assert found[-1] == pytest.approx(0.1 / 500)
    assert found[:10] == sorted(found[:10])
    assert found[9:] == sorted(found[9:], reverse=True)


@settings(max_examples=100, deadline=None)
@given(steps=st.integers(1, 60), warmup=st.sampled_from([0.0, 0.05, 0.1, 0.25, 0.5, 0.99]))
def test_one_cycle_fits_into_any_number_of_steps(steps, warmup):
    """With warmup * steps = 1 torch would divide by zero."""
    found = rates(OneCycle(warmup=warmup), steps)
    assert all(0 < rate <= 0.1 * (1 + 1e-9) for rate in found)
    top = found.index(max(found))
    assert found[top:] == sorted(found[top:], reverse=True)


def test_one_cycle_of_ten_steps_begins_low():
    found = rates(OneCycle(warmup=0.1, divide=25.0), 10)
    assert found[0] == pytest.approx(0.1 / 25)
    assert max(found) > 0.09


def test_cosine_falls_from_the_peak_to_the_final_rate():
    found = rates(Cosine(final=0.02), STEPS)
    assert found[0] == pytest.approx(0.1)
    assert found[STEPS // 2] == pytest.approx(0.06)
    assert found == sorted(found, reverse=True)
    assert 0.02 < found[-1] < 0.021


@pytest.mark.parametrize("learning_rate", [OneCycle(), Cosine()], ids=["one_cycle", "cosine"])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_training_moves_the_rate_at_each_optimiser_step(learning_rate, accumulate):
    noted = trained(learning_rate, max_epochs=2, accumulate_grad_batches=accumulate)
    assert len(noted.steps) == (6 if accumulate == 1 else 4)
    assert noted.steps == pytest.approx(rates(learning_rate, len(noted.steps)))


def test_training_by_steps_moves_the_rate_too():
    noted = trained(OneCycle(), max_steps=7, max_epochs=-1)
    assert noted.steps == pytest.approx(rates(OneCycle(), 7))


def test_plateau_follows_the_validation_error_as_torch_does():
    noted = trained(Plateau(factor=0.5, patience=0), lr=0.5, max_epochs=8)
    optimizer = optimizer_with(0.5)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    expected = []
    for error in noted.errors:
        expected += [optimizer.param_groups[0]["lr"]] * 3
        scheduler.step(error)
    assert noted.steps == expected
    assert noted.steps[-1] < 0.5


def test_plateau_counts_validated_epochs_alone():
    """Three steps an epoch, a validation in every second one; the ninth epoch has none."""
    noted = trained(Plateau(factor=0.5, patience=0), lr=0.5, max_epochs=9, check_val_every_n_epoch=2)
    assert len(noted.errors) == 4
    optimizer = optimizer_with(0.5)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    expected = []
    for error in noted.errors:
        expected += [optimizer.param_groups[0]["lr"]] * 6
        scheduler.step(error)
    assert noted.steps == [*expected, *[optimizer.param_groups[0]["lr"]] * 3]
    assert noted.steps[-1] < 0.5


def test_plateau_waits_for_its_patience():
    optimizer = optimizer_with(1.0)
    scheduler = Plateau(factor=0.1, patience=2).schedule(optimizer, 0)["scheduler"]
    seen = []
    for error in (1.0, 2.0, 2.0, 2.0, 2.0):
        scheduler.step(error)
        seen.append(optimizer.param_groups[0]["lr"])
    assert seen == pytest.approx([1.0, 1.0, 1.0, 0.1, 0.1])


def test_without_a_learning_rate_it_stays():
    assert set(trained(None, max_epochs=2).steps) == {0.1}


def test_a_schedule_over_an_endless_run_is_refused():
    with pytest.raises(ConfigurationError, match=r"needs to know how long training lasts: set trainer\.max_epochs"):
        trained(OneCycle(), max_epochs=-1)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: OneCycle(warmup=1.0), r"OneCycle: warmup=1\.0"),
        (lambda: OneCycle(divide=0.0), r"OneCycle: divide=0\.0"),
        (lambda: Cosine(final=-0.1), r"Cosine: final=-0\.1"),
        (lambda: Plateau(factor=1.0), r"Plateau: factor=1\.0"),
        (lambda: Plateau(patience=-1), r"Plateau: patience=-1"),
    ],
)
def test_options_out_of_range_are_refused(build, message):
    with pytest.raises(ConfigurationError, match=message):
        build()

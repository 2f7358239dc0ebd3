"""The Lightning shells: what is logged is what was forecast, in the data's unit; training is reproducible."""

from dataclasses import replace
from functools import partial
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from small_data import small_data
from small_tasks import task_of, trainer_of
from third_task import VectorData, VectorModel, VectorTask

from recast.data.datamodule import ForecastDataModule
from recast.data.prepare.grid import MaskGrid, RowsGrid
from recast.data.prepare.regime import MultiOrigin
from recast.data.prepare.scale import MinMax
from recast.data.prepare.split import FractionSplit
from recast.data.prepare.windows import Windows
from recast.data.sources.autoregressive import AR2
from recast.data.sources.frame import FrameSource, FrameTable
from recast.errors import ConfigurationError, NonFiniteLossError
from recast.nn.cells.gru import GRU
from recast.nn.heads.gaussian import Gaussian
from recast.nn.heads.point import Point
from recast.nn.heads.quantile import Quantile
from recast.nn.models.encoder_decoder import EncoderDecoder
from recast.nn.schedules import InverseSigmoid, Never
from recast.runs.configure.build import build
from recast.runs.configure.folders import conf_folder
from recast.scoring.metrics.crps import CRPS
from recast.scoring.metrics.mae import MAE
from recast.scoring.metrics.mse import MSE
from recast.scoring.metrics.pinball import Pinball
from recast.scoring.metrics.scaled_mse import ScaledMSE
from recast.training.learning_rates import OneCycle
from recast.training.task import ForecastTask

OPTIMIZERS = sorted(path.stem for path in (conf_folder() / "optimizer").glob("*.yaml"))


def trained(seed: int = 0, **options: Any) -> tuple[ForecastTask, ForecastDataModule, pl.Trainer]:
    pl.seed_everything(seed, verbose=False)
    data = small_data(seed=seed)
    task, trainer = task_of(data), trainer_of(**options)
    trainer.fit(task, data)
    return task, data, trainer


def truth_and_forecast(task: ForecastTask, data: ForecastDataModule, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Straight from the series, window by window, and the free-running forecast of all windows at once."""
    loader = data.loader(part)
    windows = loader.storage.windows(loader.order.items, loader.context, loader.horizon)
    forecast = task.eval().forecast(windows).mean.numpy()
    series, context, horizon = data.prepared.panel.values, data.spec.context, data.spec.horizon
    truth = np.stack([series[start + context : start + context + horizon, :1] for start in loader.order.items.tolist()])
    return truth, forecast


# Scores


@pytest.mark.parametrize(
    ("head", "curve"), [(Point(), "mse"), (Gaussian(), "crps"), (Quantile(levels=[0.1, 0.5, 0.9]), "pinball")]
)
def test_of_a_distribution_a_score_of_all_of_it_is_watched(head, curve):
    metrics = {"mse": MSE, "crps": CRPS, "pinball": partial(Pinball, levels=[0.1, 0.5, 0.9])}
    task = task_of(small_data(), head=head, metrics=metrics)
    assert task.watched == task.validation_curves[0] == f"{curve}/validation"


def test_a_score_that_mixes_targets_of_different_sizes_is_not_watched():
    level = np.random.default_rng(0).normal(size=120)
    frame = pd.DataFrame({"level": level, "flow": 1000 * level[::-1]}, pd.date_range("2020", periods=120, freq="h"))
    data = small_data(source=FrameSource(time="time", targets=["level", "flow"]))
    data.read_from(FrameTable(frame.rename_axis("time"), "time"))
    metrics = {"crps": CRPS, "mse": MSE, "scaled_mse": ScaledMSE}
    assert task_of(data, head=Gaussian(), metrics=metrics).watched == "scaled_mse/validation"


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_scores_cover_all_windows_in_the_datas_unit_whatever_the_batch_size(batch_size):
    torch.manual_seed(1)
    data = small_data(evaluation_batch_size=batch_size, scaler=MinMax(low=0.0, high=0.5))
    task, trainer = task_of(data), trainer_of()
    (found,) = trainer.test(task, data, verbose=False)
    truth, forecast = truth_and_forecast(task, data, "test")
    assert len(truth) == 15
    errors = forecast - truth
    assert found["mse/test"] == pytest.approx(np.mean(errors**2), rel=1e-5)
    assert found["rmse/test"] == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-5)
    assert found["mae/test"] == pytest.approx(np.mean(np.abs(errors)), rel=1e-5)
    np.testing.assert_allclose(
        task.metrics_of("test")["mse"].per_lead().numpy(), np.mean(errors**2, axis=(0, 2)), rtol=1e-5
    )


def test_validation_runs_free_and_the_exposure_bias_is_logged():
    task, data, trainer = trained()
    logged = {name: value.item() for name, value in trainer.callback_metrics.items()}
    truth, free = truth_and_forecast(task, data, "validation")
    loader = data.loader("validation")
    batch = loader.storage.windows(loader.order.items, loader.context, loader.horizon)
    parameters = task.model.teacher_forced(batch)
    forced = task.in_unit(task.model.head.mean(parameters), batch).detach().numpy()
    free_error, forced_error = np.mean((free - truth) ** 2), np.mean((forced - truth) ** 2)
    assert free_error != pytest.approx(forced_error, rel=1e-3)
    assert logged["mse/validation"] == pytest.approx(free_error, rel=1e-5)
    assert logged["mse/teacher_forced"] == pytest.approx(forced_error, rel=1e-5)
    assert logged["exposure_bias"] == pytest.approx(free_error - forced_error, rel=1e-3)


def test_scores_of_a_second_evaluation_do_not_add_to_the_first():
    data = small_data()
    task, trainer = task_of(data), trainer_of()
    first, second = (trainer.test(task, data, verbose=False) for _ in range(2))
    assert first == second
    assert task.metrics_of("test")["mse"].count.eq(15).all()


def test_metrics_of_distributions_belong_to_stochastic_heads():
    data = small_data()
    metrics = {"mse": MSE, "crps": CRPS}
    point, gaussian = (task_of(data, head=head, metrics=metrics) for head in (Point(), Gaussian()))
    assert list(point.metrics_of("test")) == ["mse"]
    assert list(gaussian.metrics_of("test")) == ["mse", "crps"]
    (found,) = trainer_of().test(gaussian, data, verbose=False)
    assert found["crps/test"] > 0


def test_gaussian_forecasts_are_in_the_datas_unit():
    data = small_data()
    task = task_of(data, head=Gaussian()).eval()
    batch = data.windows_at(data.loader("test").order.items)
    scaled = task.model.forecast(batch, samples=9)
    forecast = task.forecast(batch, samples=9)
    (offset, *_), (scale, *_) = data.spec.offset, data.spec.scale
    torch.testing.assert_close(forecast.mean, scaled.mean.double() * scale + offset)
    torch.testing.assert_close(forecast.samples, scaled.samples.double() * scale + offset)
    assert forecast.samples.dtype == torch.float64
    assert len(task.forecast(batch).samples) == 100


@pytest.mark.filterwarnings("ignore:Total length of `list` across ranks is zero")  # Lightning's word for it
def test_a_part_without_windows_is_not_validated():
    data = small_data(split=FractionSplit(validation=0.0, test=0.2))
    task, trainer = task_of(data), trainer_of()
    trainer.fit(task, data)
    assert trainer.global_step == 2 * len(data.train_dataloader())
    assert "mse/validation" not in trainer.callback_metrics


# Training


def test_the_same_seed_gives_the_same_weights():
    one, same, other = (trained(seed)[0].state_dict() for seed in (3, 3, 4))
    assert all(values.equal(same[name]) for name, values in one.items())
    name = "model.decoder.readout.weight"
    assert not one[name].equal(other[name])


@pytest.mark.slow
def test_training_improves_the_validation_error():
    found = {}
    for epochs in (0, 12):
        pl.seed_everything(0, verbose=False)
        data = small_data(source=AR2(rows=400))
        task, trainer = task_of(data, optimizer=partial(torch.optim.Adam, lr=0.01)), trainer_of(max_epochs=epochs)
        trainer.fit(task, data)
        (scores,) = trainer.validate(task, data, verbose=False)
        found[epochs] = scores["mse/validation"]
    assert found[12] < 0.6 * found[0]


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("options", [{}, {"accumulate_grad_batches": 2}], ids=["plain", "accumulated"])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "64-true"])
def test_optimizers_train_in_each_precision(name, options, precision):
    pl.seed_everything(0, verbose=False)
    node = yaml.safe_load((conf_folder() / "optimizer" / f"{name}.yaml").read_text())
    if precision == "bf16-mixed":
        node.pop("fused", None)  # Lightning does not clip the gradients of a fused optimiser in mixed precision
    optimizer = build(node)
    data = small_data()
    task = task_of(data, optimizer=optimizer, learning_rate=OneCycle())
    before = task.model.decoder.readout.weight.detach().clone().double()
    trainer = trainer_of(max_epochs=1, gradient_clip_val=1.0, precision=precision, **options)
    trainer.fit(task, data)
    assert trainer.global_step == (2 if options else 3)
    after = task.model.decoder.readout.weight.detach().double()
    assert after.isfinite().all()
    assert not after.equal(before)
    assert np.isfinite(trainer.callback_metrics["mse/validation"].item())


class Gappy(AR2):
    """Values are missing in runs, so that batches differ in how many truths they have."""

    def read(self):
        panel = super().read()
        values = panel.values.copy()
        values[10:14], values[40:47], values[61:62] = np.nan, np.nan, np.nan
        return replace(panel, values=values)


KINDS_OF_DATA = {
    "whole": {},
    "gaps": {"source": Gappy(rows=120), "grid": MaskGrid()},
    "several origins": {"regime": MultiOrigin(origins=2, apart=2)},
}


class Norms(pl.Callback):
    """Notes the gradient that a step is taken with."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_before_optimizer_step(self, trainer, pl_module, optimizer) -> None:
        self.seen.append(torch.nn.utils.get_total_norm([weight.grad for weight in pl_module.parameters()]).item())


@pytest.mark.parametrize("options", KINDS_OF_DATA.values(), ids=KINDS_OF_DATA.keys())
@pytest.mark.parametrize(("batch_size", "accumulate"), [(25, 4), (80, 4), (40, 2), (20, 3), (11, 2)])
def test_accumulated_batches_step_as_one_large_batch_of_them(batch_size, accumulate, options):
    """75 windows: groups that are not full, batches that are not full, and both."""

    def weights(batch_size: int, **trainer: Any) -> tuple[list[float], dict[str, Any]]:
        pl.seed_everything(0, verbose=False)
        data = small_data(batch_size=batch_size, **options)
        model = EncoderDecoder(spec=data.spec, cell=partial(GRU, hidden_size=5), head=Point(), schedule=Never())
        task = ForecastTask(model=model, optimizer=partial(torch.optim.SGD, lr=0.5))
        norms = Norms()
        # It clips some steps, not all.
        given = {"precision": "64-true", "limit_val_batches": 0, "gradient_clip_val": 0.3, "callbacks": [norms]}
        trainer_of(**given, **trainer).fit(task, data)
        return norms.seen, task.model.state_dict()

    norms, found = weights(batch_size, accumulate_grad_batches=accumulate)
    expected_norms, expected = weights(batch_size * accumulate)
    assert norms == pytest.approx(expected_norms, rel=1e-10)
    for name, value in expected.items():
        if torch.is_tensor(value):
            torch.testing.assert_close(found[name], value, rtol=1e-10, atol=1e-13, msg=name)


def test_without_accumulation_the_loss_is_left_alone():
    data = small_data()
    task, trainer = task_of(data), trainer_of()
    trainer.fit(task, data)
    loss = torch.ones(())
    assert task.accumulated(loss, 3, 7) is loss


@pytest.mark.parametrize("accumulate", [3, 4])
def test_a_task_that_does_not_count_its_items_weighs_batches_alike(accumulate):
    """Two batches of 10: both groups are not full."""

    def weights(batch_size: int, **options: Any) -> dict[str, torch.Tensor]:
        torch.manual_seed(0)
        data = VectorData(size=3, batch_size=batch_size)
        task = VectorTask(model=VectorModel(spec=data.spec), optimizer=partial(torch.optim.SGD, lr=0.1))
        trainer_of(precision="64-true", **options).fit(task, data)
        return task.state_dict()

    found, expected = weights(10, accumulate_grad_batches=accumulate), weights(20)
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-10, atol=1e-13, msg=name)


def test_it_trains_without_a_datamodule():
    data = small_data()
    loaders = data.train_dataloader(), data.loader("validation"), data.loader("test")
    pl.seed_everything(0, verbose=False)
    task, trainer = task_of(data), trainer_of()
    trainer.fit(task, loaders[0], loaders[1])
    (found,) = trainer.test(task, loaders[2], verbose=False)
    expected, _, whole = trained()
    assert task.model.decoder.readout.weight.equal(expected.model.decoder.readout.weight)
    assert found == whole.test(expected, data, verbose=False)[0]


def test_predictions_are_forecasts_in_the_datas_unit():
    data = small_data()
    task = task_of(data)
    batches = trainer_of().predict(task, data.loader("test"))
    _, forecast = truth_and_forecast(task, data, "test")
    np.testing.assert_allclose(torch.cat([batch.mean for batch in batches]), forecast, rtol=1e-5)


class Spoil(pl.Callback):
    """Makes the weights useless before a step."""

    def __init__(self, step: int, value: float) -> None:
        self.step, self.value = step, value

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        if trainer.global_step == self.step:
            self.starts = batch.start
            pl_module.model.decoder.readout.bias.data.fill_(self.value)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_training_and_says_where(value):
    data = small_data()
    spoil = Spoil(4, value)
    with pytest.raises(NonFiniteLossError, match=r"loss is (nan|inf) at step 4; .* origins lie in rows") as error:
        trainer_of(callbacks=[spoil]).fit(task_of(data), data)
    first, last = int(spoil.starts.min()) + 5, int(spoil.starts.max()) + 5
    times = data.prepared.panel.times
    assert f"rows {first} to {last} ({times[first]} to {times[last]})" in str(error.value)
    assert "optimizer.lr" in str(error.value)


def test_without_a_datamodule_the_rows_are_named_all_the_same():
    data = small_data()
    with pytest.raises(NonFiniteLossError, match=r"rows \d+ to \d+\. The last good"):
        trainer_of(callbacks=[Spoil(0, float("nan"))]).fit(
            task_of(data), data.train_dataloader(), data.loader("validation")
        )


def test_non_finite_loss_has_an_exit_code_of_its_own_kind():
    assert NonFiniteLossError.exit_code == 1


# Data module


def test_the_series_is_read_once():
    class Counting(AR2):
        reads = 0

        def read(self):
            Counting.reads += 1
            return super().read()

    data = small_data(source=Counting.__new__(Counting))
    data.source.__init__(rows=120)
    task, trainer = task_of(data), trainer_of()
    trainer.fit(task, data)
    trainer.test(task, data, verbose=False)
    assert Counting.reads == 1


def test_defaults_of_the_data_module(tiny_data):
    parts = tiny_data.prepared.parts
    assert (parts.train.tolist(), parts.test.tolist()) == ([[0, 84]], [[96, 120]])
    assert tiny_data.spec.scale[0] != 1
    assert tiny_data.train_dataloader().order.shuffle
    assert not tiny_data.val_dataloader().order.shuffle
    assert tiny_data.test_dataloader().order.batch_size == 4


@pytest.mark.parametrize(
    ("option", "value"), [("batch_size", 0), ("periods", [0.0]), ("season", 0), ("seed", -1), ("grid", RowsGrid)]
)
def test_options_out_of_range_are_refused(option, value):
    with pytest.raises(ConfigurationError, match=f"ForecastDataModule: {option}="):
        small_data(**{option: value})


def test_a_metric_that_is_none_is_refused():
    data = small_data()
    with pytest.raises(ConfigurationError, match="ForecastTask: metrics="):
        task_of(data, metrics={"mae": 3, "mse": MAE})


# As in a notebook


def test_ten_lines_in_a_notebook():
    data = ForecastDataModule(source=AR2(rows=500), windows=Windows(context=20, horizon=5))
    model = EncoderDecoder(spec=data.spec, cell=partial(GRU, hidden_size=16), head=Point(), schedule=InverseSigmoid())
    task = ForecastTask(model=model, optimizer=partial(torch.optim.Adam, lr=0.01))
    trainer = trainer_of(max_epochs=1, gradient_clip_val=1.0)
    trainer.fit(task, data)
    (scores,) = trainer.test(task, data, verbose=False)
    assert set(scores) == {"mse/test", "rmse/test", "mae/test"}

"""What forecasts are compared with: the source's own float64, whatever precision batches and models have."""

from dataclasses import replace
from functools import partial
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import torch
from small_data import small_data

from recast.data.datamodule import ForecastDataModule
from recast.data.panel import Panel
from recast.data.prepare.grid import MaskGrid
from recast.data.prepare.scale import NoScaling, Standard
from recast.data.sources.source import Source
from recast.data.sources.tide import TideSimulator
from recast.nn.anchors import LastAnchor
from recast.nn.cells.gru import GRU
from recast.nn.heads.point import Point
from recast.nn.models.encoder_decoder import EncoderDecoder
from recast.nn.schedules import Never
from recast.training.task import ForecastTask

OFFSET = 1_600_000_002.0  # float32 knows multiples of 128 alone


class Shifted(Source):
    """A tide on a large offset."""

    def __init__(self, hole: bool = False) -> None:
        self.hole = hole

    def read(self) -> Panel:
        panel = TideSimulator(days=3, gaps=False).read()
        values = panel.values + OFFSET
        if self.hole:
            values[-20:-17] = np.nan
        return replace(panel, values=values)

    def for_table(self, table: Any) -> Source:
        raise NotImplementedError


def data_of(**options: Any) -> ForecastDataModule:
    defaults = {"source": Shifted(), "periods": None, "scaler": NoScaling(), "evaluation_batch_size": 64}
    return small_data(**(defaults | options))


def after_test(data: ForecastDataModule, part: str = "test", precision: str = "32-true") -> ForecastTask:
    torch.manual_seed(0)
    cell = partial(GRU, hidden_size=3)
    model = EncoderDecoder(spec=data.spec, cell=cell, head=Point(), anchor=LastAnchor, schedule=Never())
    task = ForecastTask(model=model)
    trainer = pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        precision=precision,
    )
    trainer.test(task, data if part == "test" else data.loader(part), verbose=False)
    return task


def truth_of(data: ForecastDataModule, part: str) -> np.ndarray:
    rows = data.items(part).numpy()[:, None] + data.spec.context + np.arange(data.spec.horizon)
    return data.prepared.panel.targets[rows]


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("precision", ["32-true", "64-true", "bf16-true", "bf16-mixed"])
@pytest.mark.parametrize("scaler", [NoScaling(), Standard()], ids=["unscaled", "standard"])
def test_errors_are_those_from_the_sources_float64(scaler, precision, part):
    data = data_of(scaler=scaler)
    task = after_test(data, part, precision)
    truth = truth_of(data, part)
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16-mixed")
    with torch.no_grad(), autocast:
        forecast = task.forecast(data.windows_at(data.items(part))).mean
    assert (task.offset.dtype, task.scale.dtype, forecast.dtype) == (torch.float64,) * 3
    assert (task.offset.tolist(), task.scale.tolist()) == (list(data.spec.offset), list(data.spec.scale))
    errors = forecast.numpy() - truth
    assert truth.std() > 0.1
    exact = {"rel": 1e-6 if precision == "bf16-mixed" else 1e-12}
    found = {name: metric.compute().item() for name, metric in task.metrics_of("test").items()}
    assert found["mse"] == pytest.approx(np.mean(errors**2), **exact)
    assert found["mae"] == pytest.approx(np.mean(np.abs(errors)), **exact)
    per_origin = task.origin_errors.of(data.items(part).numpy())
    np.testing.assert_allclose(per_origin["mse"], np.mean(errors**2, axis=(1, 2)), rtol=max(exact.values()))


def test_a_constant_forecast_of_an_unscaled_series_is_not_perfect():
    """Stored as float32, truth and last value are the same number: the error was 0."""
    data = data_of()
    batch = next(iter(data.loader("test")))
    assert batch.target.unique().tolist() == [1_600_000_000.0]
    expected = np.mean((1_600_000_000.0 - truth_of(data, "test")) ** 2)
    assert expected > 1
    assert after_test(data).metrics_of("test")["mse"].compute().item() == pytest.approx(expected, rel=1e-6)


def test_what_was_not_observed_does_not_count():
    data = data_of(source=Shifted(hole=True), grid=MaskGrid())
    truth = truth_of(data, "test")
    assert np.isnan(truth).any()
    task = after_test(data)
    forecast = task.forecast(data.windows_at(data.items("test"))).mean.detach().numpy()
    expected = np.nanmean((forecast - truth) ** 2)
    assert task.metrics_of("test")["mse"].compute().item() == pytest.approx(expected, rel=1e-12)


def test_a_batch_knows_the_truth_whatever_is_done_to_it():
    data = data_of()
    batch = data.windows_at(data.items("test"))
    assert batch.truth.dtype == torch.float64
    np.testing.assert_array_equal(batch.truth.numpy(), truth_of(data, "test"))
    which = torch.tensor([3, 0])
    for other in (batch.to_precision(torch.bfloat16), batch.to_precision(torch.float64)):
        assert other.truth.equal(batch.truth)
        assert other.take(which).truth.equal(batch.truth[which])


def test_the_truths_of_a_storage_take_no_memory_of_their_own():
    prepared = data_of().prepared
    truth = prepared.storage.truths.after(torch.tensor([0]), 0, 1)
    prepared.panel.values[0] += 1
    assert prepared.storage.truths.after(torch.tensor([0]), 0, 1).item() == truth.item() + 1


def test_a_batch_made_by_hand_is_scored_by_its_scaled_truth():
    data = data_of(scaler=Standard())
    batch = data.windows_at(data.items("test"))
    task = after_test(data)
    alone = batch._replace(truths=None)
    assert alone.truth is None
    task.on_validation_epoch_start()
    task.trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    task.validation_step(alone, 0)
    errors = (task.forecast(alone).mean - task.in_unit(batch.target, batch)).square().mean()
    assert task.metrics_of("validation")["mse"].compute().item() == pytest.approx(errors.item(), rel=1e-12)

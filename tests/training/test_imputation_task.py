"""Training on what is removed: the loss and the scores against NumPy, and a run that is killed and resumed."""

from functools import partial
from pathlib import Path

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
import torch
from resuming import Kill, Killed, assert_same_state
from small_tasks import trainer_of

from recast.data.imputation_datamodule import ImputationDataModule
from recast.data.prepare.gap_loader import removed_from
from recast.data.prepare.gap_removal import Points
from recast.data.prepare.split import FractionSplit
from recast.data.sources.csv_file import CsvSource
from recast.data.sources.tide import TideSimulator
from recast.errors import ConfigurationError
from recast.nn.cells.gru import GRU
from recast.nn.models.bidirectional_imputer import BidirectionalImputer
from recast.nn.models.brits import Brits
from recast.runs import gap_calibration
from recast.runs.checkpoints.io import WholeCheckpointIO
from recast.runs.tasks.imputation import ImputationPlug
from recast.scoring.baselines.gap_baselines import FillLinear, FillMean, GapBaseline, GapWindows
from recast.scoring.metrics.crps import CRPS
from recast.scoring.metrics.mae import MAE
from recast.scoring.metrics.rmse import RMSE
from recast.scoring.metrics.scaled_mae import ScaledMAE
from recast.training import imputation_task
from recast.training.callbacks.last_checkpoint import LastCheckpoint
from recast.training.checkpoint_format import last_checkpoint_path
from recast.training.imputation_task import ImputationTask
from recast.types import Batch, Share


def data_of(**options) -> ImputationDataModule:
    chosen = {
        "source": TideSimulator(days=20.0, step_minutes=60),
        "split": FractionSplit(validation=0.2, test=0.3),
        "steps": 12,
        "stride": 6,
        "removal": Points(share=0.3),
        "batch_size": 10,
        "evaluation_batch_size": 5,
    }
    return ImputationDataModule(**(chosen | options))


def task_of(data: ImputationDataModule, **options) -> ImputationTask:
    torch.manual_seed(0)
    metrics = {"mae": MAE, "rmse": RMSE, "scaled_mae": ScaledMAE}
    model = Brits(spec=data.spec, cell=partial(GRU, hidden_size=5))
    return ImputationTask(**({"model": model, "metrics": metrics} | options))


def test_a_weight_that_would_train_nothing_is_refused():
    data = data_of()
    model = BidirectionalImputer(spec=data.spec, cell=partial(GRU, hidden_size=4))
    with pytest.raises(ConfigurationError, match=r"removed_weight=0: BidirectionalImputer estimates removed values"):
        ImputationTask(model=model, removed_weight=0.0)
    ImputationTask(model=Brits(spec=data.spec, cell=partial(GRU, hidden_size=4)), removed_weight=0.0)


def test_bands_are_fitted_in_the_precision_of_the_weights():
    data = data_of(source=TideSimulator(days=60.0, step_minutes=60))
    single, double = task_of(data), task_of(data)
    double.model.double()
    for task in (single, double):
        gap_calibration.fit_bands(task, data, data.prepared.starts.validation)
    assert single.bands is not None
    assert double.bands is not None
    torch.testing.assert_close(double.bands.table.values, single.bands.table.values, rtol=0, atol=1e-4)


def test_bands_are_fitted_on_windows_of_all_of_the_validation_part(monkeypatch):
    monkeypatch.setattr(gap_calibration, "MOST", 5)
    data = data_of(source=TideSimulator(days=60.0, step_minutes=60))
    starts, seen = data.prepared.starts.validation, []
    windows_at = data.windows_at
    monkeypatch.setattr(data, "windows_at", lambda rows: seen.extend(rows.tolist()) or windows_at(rows))
    gap_calibration.fit_bands(task_of(data), data, starts)
    assert len(seen) == 5
    assert min(seen) < starts.float().quantile(0.3) < starts.float().quantile(0.7) < max(seen)


def test_the_training_part_of_many_series_is_given_in_its_pieces(tmp_path):
    stamps = pd.date_range("2024-01-01", periods=80, freq="h")
    frames = [
        pd.DataFrame({"time": stamps, "id": name, "v": np.sin(np.arange(80) / 3) + place, "w": 1.0})
        for place, name in enumerate("xyz")
    ]
    frame = pd.concat(frames)
    frame["w"] = np.arange(len(frame)) % 3.0
    frame.to_csv(tmp_path / "panel.csv", index=False)
    source = CsvSource(path=str(tmp_path / "panel.csv"), time="time", targets=["v"], known=["w"], id="id")
    data = data_of(source=source, steps=6)
    fitted = []

    class Recorder(GapBaseline):
        def _fit(self, training):
            fitted.append(training)

        def _fill(self, windows, means):
            return np.broadcast_to(means, windows.values.shape)

    ImputationPlug().fit_baselines({"recorder": Recorder()}, data)
    (training,) = fitted
    assert training.names == ("v",)
    assert training.items.tolist() == [0, 1, 2]
    assert len(training.starts) == 3
    for place, (first, stop) in enumerate(training.pieces):
        assert training.targets[first:stop].mean() == pytest.approx(place, abs=0.4)
        assert (np.diff(training.clock[first:stop]) == np.timedelta64(1, "h")).all()


def test_scores_are_those_of_the_removed_values_alone():
    data = data_of()
    task = task_of(data)
    trainer_of().test(task, data, verbose=False)
    found = {name: metric.compute().item() for name, metric in task.metrics_of("test").items()}
    values, removed, steps = data.prepared.panel.values, data.prepared.removed.numpy(), 12
    errors = []
    plug, filling = ImputationPlug(), FillLinear()
    filling.fit(data.prepared.panel)
    linear = []
    for start in data.items("test").tolist():
        truth, gone = values[start : start + steps], removed[start : start + steps]
        left = np.where(gone, np.nan, truth)
        batch = data.windows_at(torch.tensor([start]))
        offset, scale = data.spec.offset[0], data.spec.scale[0]
        scaled = torch.from_numpy(np.nan_to_num((left - offset) / scale)).float()
        assert torch.allclose(batch.history[0], scaled, atol=1e-6)
        scored = gone & ~np.isnan(truth)
        filled = task.model(batch).mean[0].detach().numpy().astype(float) * scale + offset
        errors.append((filled - truth)[scored])
        windows = GapWindows.of(left[None], data.prepared.panel.clock[None, start : start + steps])
        linear.append((filling.fill(windows)[0] - truth)[scored])
    errors, linear = np.concatenate(errors), np.concatenate(linear)
    assert len(errors) > 20
    assert found["mae"] == pytest.approx(np.abs(errors).mean(), rel=1e-5)
    assert found["rmse"] == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-5)
    assert found["scaled_mae"] == pytest.approx(np.abs(errors).mean() / data.spec.scale[0], rel=1e-5)
    baselines = {"linear": FillLinear(), "mean": FillMean()}
    plug.fit_baselines(baselines, data)
    scores = plug.score_baselines(baselines, task, data, "test")
    assert scores["linear"].overall["mae"] == pytest.approx(np.abs(linear).mean(), rel=1e-9)
    results = plug.results(task, data, "test", baselines=scores, seconds={}, facts={})
    assert results.removed == len(errors)
    assert results.model.per_column["mae"] == pytest.approx([found["mae"]])
    assert results.table()["mae"].is_monotonic_increasing
    assert results.to_dict()["removal"] == {"form": "points", "share": 0.3, "seed": 0}


def test_baselines_are_scored_on_the_windows_of_the_test_alone():
    data = data_of()
    task = task_of(data)
    trainer_of(limit_test_batches=1).test(task, data, verbose=False)
    plug, baselines = ImputationPlug(), {"mean": FillMean()}
    plug.fit_baselines(baselines, data)
    scores = plug.score_baselines(baselines, task, data, "test")
    results = plug.results(task, data, "test", baselines=scores, seconds={}, facts={})
    batch = next(iter(data.loader("test")))
    assert results.removed == int(removed_from(batch).sum())


def loss_by_hand(task: ImputationTask, batch: Batch) -> float:
    found = task.model(batch)
    losses = []
    for window in range(len(batch.start)):
        errors = (found.estimates[:, window] - batch.target[window]).abs().mean(0).detach().numpy()
        left, removed = batch.observed.history[window].numpy(), removed_from(batch)[window].numpy()
        of_left = errors[left].mean() if left.any() else 0.0
        of_removed = errors[removed].mean() if removed.any() else 0.0
        losses.append(of_left + task.removed_weight * of_removed + found.penalty[window].item())
    return float(np.mean(losses))


@pytest.fixture
def outside_of_a_loop(monkeypatch):
    """Nothing is logged."""
    monkeypatch.setattr(imputation_task, "is_due", lambda trainer: False)


@pytest.mark.usefixtures("outside_of_a_loop")
def test_the_loss_is_that_of_what_is_left_and_of_what_was_removed():
    data = data_of()
    task = task_of(data, removed_weight=0.7)
    task.trainer = trainer_of()
    batch = next(iter(data.train_dataloader()))
    assert removed_from(batch).any()
    assert task.training_step(batch, 0).item() == pytest.approx(loss_by_hand(task, batch), rel=1e-5)
    # A removed value is in the loss, and in nothing else.
    target = batch.target.clone().requires_grad_()
    (slopes,) = torch.autograd.grad(task.training_step(batch._replace(target=target), 0), target)
    assert (slopes[~batch.observed.target] == 0).all()
    assert (slopes[removed_from(batch)] != 0).any()


@pytest.mark.usefixtures("outside_of_a_loop")
def test_the_mean_over_processes_is_the_loss_of_one(monkeypatch):
    data = data_of()
    task = task_of(data)
    task.trainer = trainer_of()
    monkeypatch.setattr(ImputationTask, "over_processes", lambda self, mean, share: mean.detach())
    whole = next(iter(data.train_dataloader()))
    losses = [
        task.training_step(whole.take(torch.arange(first, stop))._replace(share=Share(10, first, weight)), 0)
        for first, stop, weight in ((0, 6, 1.2), (6, 10, 0.8))
    ]
    expected = task.training_step(whole, 0)
    assert (sum(losses) / 2).item() == pytest.approx(expected.item(), rel=1e-6)


def train(folder: Path, *callbacks: pl.Callback, resume: bool = False) -> ImputationTask:
    data = data_of()
    task = task_of(data)
    last = last_checkpoint_path(folder)
    trainer = trainer_of(
        default_root_dir=folder,
        enable_checkpointing=True,
        callbacks=[LastCheckpoint(every_n_steps=1), *callbacks],
        plugins=[WholeCheckpointIO()],
        max_epochs=3,
    )
    trainer.fit(task, data, ckpt_path=str(last) if resume else None, weights_only=True)
    return task


@pytest.mark.parametrize(("hook", "call"), [("on_train_batch_start", 3), ("on_validation_end", 1)])
def test_a_killed_run_goes_on_bit_for_bit(tmp_path, hook, call):
    whole = train(tmp_path / "whole").state_dict()
    with pytest.raises(Killed):
        train(tmp_path / "killed", Kill(hook, call))
    assert_same_state(train(tmp_path / "killed", resume=True).state_dict(), whole)


def test_metrics_of_distributions_alone_are_refused():
    with pytest.raises(ConfigurationError, match="crps score distributions alone"):
        task_of(data_of(), metrics={"crps": CRPS})

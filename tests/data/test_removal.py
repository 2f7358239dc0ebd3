"""Readings removed at random: the same for every model, as inputs and as truths."""

import logging

import numpy as np
import pytest

from recast.data.datamodule import ForecastDataModule
from recast.data.prepare.grid import InterpolateGrid, MaskGrid
from recast.data.prepare.removal import without_readings
from recast.data.prepare.windows import Windows
from recast.data.sources.autoregressive import AR2
from recast.runs.scores import fit_baselines, score_baselines
from recast.scoring.baselines.naive import LastValue
from recast.scoring.metrics.mse import MSE


def data_without(
    share: float, *, seed: int = 0, removal_seed: int = 0, grid: object | None = None
) -> ForecastDataModule:
    return ForecastDataModule(
        source=AR2(rows=400),
        windows=Windows(context=12, horizon=4),
        grid=grid or MaskGrid(),
        removed=share,
        removal_seed=removal_seed,
        seed=seed,
    )


def test_a_share_of_the_readings_is_gone_as_input_and_as_truth():
    data, whole = data_without(0.3), data_without(0.0)
    panel, complete = data.prepared.panel, whole.prepared.panel
    gone = np.isnan(panel.targets)
    assert gone.mean() == pytest.approx(0.3, abs=0.07)
    assert np.array_equal(panel.targets[~gone], complete.targets[~gone])
    batch = next(iter(data.loader("test")))
    rows = batch.start.numpy()[:, None] + np.arange(16)
    assert np.array_equal(np.isnan(batch.truth.numpy()), gone[rows[:, 12:]])
    assert np.array_equal(~batch.observed.history.numpy(), gone[rows[:, :12]])
    # What was read is the same, so that a checkpoint knows its data again.
    assert data.fingerprint == whole.fingerprint


def test_they_are_the_same_whatever_the_model_and_others_by_another_seed():
    def gone(**options: int) -> np.ndarray:
        return np.isnan(data_without(0.3, **options).prepared.panel.targets)

    assert np.array_equal(gone(seed=1), gone(seed=2))
    assert not np.array_equal(gone(), gone(removal_seed=1))


def test_the_grid_decides_what_becomes_of_them():
    panel = data_without(0.3, grid=InterpolateGrid(max_steps=20)).prepared.panel
    assert not np.isnan(panel.targets).any()
    whole = data_without(0.0).prepared.panel
    gone = np.isnan(without_readings(whole, 0.3, 0).targets[:, 0])
    inside = slice(int(np.flatnonzero(~gone)[0]), int(np.flatnonzero(~gone)[-1]) + 1)
    steps = np.arange(len(whole))[inside]
    expected = np.interp(steps, steps[~gone[inside]], whole.targets[inside, 0][~gone[inside]])
    np.testing.assert_allclose(panel.targets[:, 0], expected)


def test_baselines_fill_gaps_within_a_context_alone_and_a_line_says_so(caplog):
    data = data_without(0.3)
    baselines = {"last": LastValue()}
    fit_baselines(baselines, data.prepared)
    with caplog.at_level(logging.INFO):
        scores = score_baselines(baselines, data.prepared, "test", {"mse": MSE(spec=data.spec)})
    assert "interpolated within each context, for baselines only: last" in caplog.text
    targets, starts = data.prepared.panel.targets[:, 0], data.prepared.starts.test.numpy()
    errors = []
    for start in starts:
        context, truth = targets[start : start + 12], targets[start + 12 : start + 16]
        # The last one that was observed; the truths behind it are no help.
        errors += ((truth - context[~np.isnan(context)][-1]) ** 2)[~np.isnan(truth)].tolist()
    assert scores["last"].overall["mse"] == pytest.approx(np.mean(errors))

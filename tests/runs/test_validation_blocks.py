"""A run that validates in blocks: nothing of them is trained on, and its checkpoint is scored and forecasts as any."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from commands import scratch

import recast
from recast.runs.checkpoints.restore import restore
from recast.runs.configure.compose import compose
from recast.runs.evaluate import evaluate

WORDS = (
    *("data=csv", "data.source.time=when", "data.source.targets=[level]", "data.windows.context=48"),
    *("data.windows.horizon=12", "data/features=fitted_tide", "data.features.tide.constituents=[M2,K1]"),
    *(
        "data/split=blocks",
        "data.split.validation=0.2",
        "data.split.blocks=3",
        "model=direct",
        "model/anchor=harmonic_ridge",
    ),
    *("model.cell.hidden_size=8", "trainer.max_epochs=1", "calibration=split", "baselines=tide"),
    *("callbacks.progress_bar=null", "callbacks.figures=null", "logger=none"),
)


def levels() -> pd.DataFrame:
    """A tide and noise, hourly."""
    hours = np.arange(1200)
    tide = np.cos(2 * np.pi * hours / 12.4206012) + 0.4 * np.cos(2 * np.pi * hours / 23.93447213)
    noise = 0.1 * np.random.default_rng(0).normal(size=len(hours))
    times = pd.date_range("2024-01-01", periods=len(hours), freq="h", tz="UTC")
    return pd.DataFrame({"when": times, "level": 2 + tide + noise})


def fit(name: str, frame: pd.DataFrame) -> recast.Run:
    path = scratch() / f"{name}.csv"
    frame.to_csv(path, index=False)
    return recast.fit(overrides=[*WORDS, f"data.source.path={path}"], folder=scratch() / name)


@pytest.fixture(scope="module")
def blocks() -> recast.Run:
    return fit("blocks", levels())


def best(run: recast.Run) -> Path:
    return run.folder / "checkpoints" / "best.ckpt"


def test_what_is_trained_and_fitted_knows_nothing_of_the_blocks(blocks):
    frame = levels()
    trained = np.zeros(len(frame), dtype=bool)
    # Blocks of 64 rows end at 320, 640 and 960; a window, 60 rows, is left out on each side.
    for first, stop in ((0, 196), (380, 516), (700, 836), (960, 1200)):
        trained[first:stop] = True
    frame.loc[~trained, "level"] = frame.level[~trained] * -5 + 30
    other = fit("other", frame)
    one, two = (restore(best(run)).task.state_dict() for run in (blocks, other))
    for name in one:
        # The share of the network's correction is fitted on validation windows.
        assert name.endswith("anchor.share") or torch.equal(one[name], two[name]), name
    assert restore(best(other)).spec == restore(best(blocks)).spec
    assert blocks.metrics["baselines"].keys() >= {"ridge", "harmonic", "harmonic_ridge", "seasonal"}
    for name, scores in blocks.metrics["baselines"].items():
        assert other.metrics["baselines"][name]["mse"] == scores["mse"], name
    assert other.metrics["baselines"]["anchor"]["mse"] == blocks.metrics["baselines"]["anchor"]["mse"]


@pytest.mark.slow
def test_its_checkpoint_is_scored_and_forecasts_as_any_other(blocks):
    words = [f"checkpoint={best(blocks)}", "baselines=tide"]
    again = json.loads(json.dumps(evaluate(compose("evaluate", words)).to_dict()))
    assert again["test"] == blocks.metrics["test"]
    assert again["test_bands"] == blocks.metrics["test_bands"]
    validated = evaluate(compose("evaluate", [*words, "split=validation"])).to_dict()
    assert validated["validation"]
    # The targets of a window lie in one block, of 64 rows.
    assert len(restore(best(blocks)).data.items("validation")) == 3 * 53
    forecast = recast.load(blocks.folder).forecast(levels())
    pd.testing.assert_frame_equal(forecast, blocks.forecaster.forecast(levels()))
    assert len(forecast) == 12

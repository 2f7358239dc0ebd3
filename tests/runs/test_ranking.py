"""Targets of different units and sizes: ranked, watched and tested by a scaled error, and said so."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recast.data.sources.frame import FrameTable
from recast.errors import ConfigurationError
from recast.report.over_origins import loss_of
from recast.report.study import study
from recast.runs.configure.check import accepted
from recast.runs.configure.compose import compose
from recast.runs.configure.training_options import TrainOptions
from recast.runs.fit import run
from recast.runs.results import Results

QUICK = [
    *("data=frame", "data.source.time=time", "data.windows.context=12", "data.windows.horizon=3", "logger=none"),
    *("baselines=series", "model.cell.hidden_size=2", "trainer.max_epochs=1", "callbacks.progress_bar=null"),
    *("callbacks.figures=null", "callbacks.learning_rate_monitor=null"),
]
UNITS = ["data.source.units={level: m, pressure: Pa}"]
REMARK = "targets or items differ in unit or size, and the largest decides mse"


def frame(pressure: float = 100.0) -> pd.DataFrame:
    """A level of a metre that a network can forecast, and a pressure that nothing can."""
    hours, rng = np.arange(240), np.random.default_rng(0)
    return pd.DataFrame(
        {
            "time": pd.date_range("2020-01-01", periods=len(hours), freq="h"),
            "level": np.sin(2 * np.pi * hours / 12),
            "pressure": pressure * rng.normal(size=len(hours)),
        }
    )


def trained(folder: Path, table: pd.DataFrame, *overrides: str, targets: str = "[level,pressure]") -> Results:
    config = compose("train", [*QUICK, f"data.source.targets={targets}", *overrides])
    folder.mkdir()
    with accepted(config, TrainOptions):
        found = run(config, folder, FrameTable(table, "time"))
    assert isinstance(found, Results)
    return found


def test_table_skill_and_checkpoint_follow_the_scaled_error(tmp_path):
    folder = tmp_path / "run"
    results = trained(folder, frame(), *UNITS)
    written = json.loads((folder / "metrics.json").read_text())
    assert written["selection"]["monitor"] == "scaled_mse/validation"
    assert written["skill"]["best"]["metric"] == "scaled_mse"
    assert results.remarks()[0] == f"ranked by scaled_mse: {REMARK}"
    table = results.table()
    assert table["scaled_mse"].is_monotonic_increasing
    assert written["metrics"]["mse"]["mixes"]
    assert not written["metrics"]["scaled_mse"]["mixes"]
    scores = {name: found["scaled_mse"] for name, found in written["baselines"].items()}
    assert results.best_baseline == min(scores, key=scores.__getitem__)
    # The mean over windows is the metric, for the model and each baseline: tests over origins are of what ranks.
    per_origin = pd.read_csv(folder / "per_origin.csv")
    for name, found in {"model": written["test"], **written["baselines"]}.items():
        assert per_origin[f"{name}:scaled_mse"].mean() == pytest.approx(found["scaled_mse"], rel=1e-8)
    ranked = pd.read_csv(folder / "ranked_forecasts.csv")
    assert set(ranked["loss"]) == {"scaled_mse"}
    (board,) = study([folder], alpha=0.05, metric=None).ranked
    assert board.metric.name == loss_of(folder / "per_origin.csv", board.metric.name) == "scaled_mse"


def test_without_scaling_it_is_mase(tmp_path):
    results = trained(tmp_path / "run", frame(), "data/scaler=none", "callbacks=early_stopping", *QUICK[-2:])
    assert results.remarks()[0] == f"ranked by mase: {REMARK}"
    assert results.facts["selection"]["monitor"] == "mase/validation"
    assert results.model.metrics["scaled_mse"].mixes


@pytest.mark.parametrize(("targets", "pressure"), [("[level]", 100.0), ("[level,pressure]", 0.7)])
def test_targets_that_are_alike_are_ranked_by_the_first_metric(tmp_path, targets, pressure):
    results = trained(tmp_path / "run", frame(pressure), "learning_rate=plateau", targets=targets)
    assert results.model.ranking == "mse"
    assert results.facts["selection"]["monitor"] == "mse/validation"
    assert not any(remark.startswith("ranked") for remark in results.remarks())
    assert set(results.model.per_origin) == {"mse", "mae"}


def test_a_curve_that_the_user_names_is_watched(tmp_path):
    results = trained(tmp_path / "run", frame(), "callbacks.best_checkpoint.monitor=mae/validation")
    assert results.facts["selection"]["monitor"] == "mae/validation"
    with pytest.raises(ConfigurationError, match="monitor=mape/validation: no such curve; did you mean smape"):
        trained(tmp_path / "other", frame(), "callbacks.best_checkpoint.monitor=mape/validation")

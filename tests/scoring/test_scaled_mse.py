"""Mean squared error in scaled units, and the number of the literature on ETTh1 that it stands for."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.metrics import mean_squared_error
from sklearn.preprocessing import StandardScaler

from recast.data.datamodule import ForecastDataModule
from recast.data.panel import columns_of
from recast.data.spec import SeriesSpec
from recast.runs.configure import folders
from recast.runs.configure.build import build
from recast.runs.configure.compose import compose
from recast.runs.scores import fit_baselines, score_baselines
from recast.scoring.baselines.naive import LastValue
from recast.scoring.metrics.mse import MSE
from recast.scoring.metrics.scaled_mse import ScaledMSE
from recast.types import Forecast

HORIZON, TARGETS = 5, 2
SPEC = SeriesSpec(
    columns=columns_of(targets=["a", "b"], past=["past"], units={"a": "m", "b": "K"}),
    step="h",
    context=8,
    horizon=HORIZON,
    offset=(1.0, -3.0, 0.0),
    scale=(0.5, 4.0, 9.0),
    naive_error=(1.0, 1.0),
)


def example(windows: int = 37) -> tuple[Forecast, torch.Tensor]:
    torch.manual_seed(0)
    truth = torch.randn(windows, HORIZON, TARGETS, dtype=torch.float64) * torch.tensor([0.5, 4.0]) + 1
    return Forecast(truth + torch.randn_like(truth)), truth


def test_it_is_the_error_of_standardised_values() -> None:
    rows = torch.randn(100, TARGETS, dtype=torch.float64).mul(torch.tensor([0.1, 30.0])).numpy()
    scaler: Any = StandardScaler().fit(rows)
    metric = ScaledMSE(spec=replace(SPEC, scale=(*scaler.scale_, 1.0)))
    forecast, truth = example()
    for first in range(0, 37, 10):
        metric.update(Forecast(forecast.mean[first : first + 10]), truth[first : first + 10])
    found, expected = (scaler.transform(part.reshape(-1, TARGETS).numpy()) for part in (forecast.mean, truth))
    assert metric.compute().item() == pytest.approx(mean_squared_error(expected, found), rel=1e-12)
    each = ((found - expected) ** 2).reshape(37, HORIZON, TARGETS)
    assert metric.per_target().tolist() == pytest.approx(each.mean(axis=(0, 1)).tolist(), rel=1e-12)
    assert metric.per_lead().tolist() == pytest.approx(each.mean(axis=(0, 2)).tolist(), rel=1e-12)


def test_without_scaling_it_is_the_mean_squared_error() -> None:
    forecast, truth = example()
    found = []
    for kind in (ScaledMSE, MSE):
        metric = kind(spec=replace(SPEC, scale=(1.0, 1.0, 1.0)))
        metric.update(forecast, truth)
        found.append(metric.compute())
    assert found[0] == found[1]


def test_it_does_not_depend_on_the_unit() -> None:
    forecast, truth = example()
    metric, other = ScaledMSE(spec=SPEC), ScaledMSE(spec=replace(SPEC, scale=(500.0, 4000.0, 1.0)))
    metric.update(forecast, truth)
    other.update(Forecast(forecast.mean * 1000), truth * 1000)
    torch.testing.assert_close(metric.compute(), other.compute(), rtol=1e-12, atol=0)


@pytest.mark.parametrize(("exclude_last", "windows", "expected"), [("false", 2785, 1.2944), ("true", 2784, 1.2946)])
def test_holding_the_last_value_of_etth1(exclude_last: str, windows: int, expected: float) -> None:
    """The literature's 1.295 (Zeng et al. 2022, arXiv 2205.13504, table 2) leaves out the one window after 87 x 32."""
    folders.register()
    config = compose("train", ["data=etth1", f"data.windows.exclude_last={exclude_last}"])
    path = Path(config["data"]["source"]["path"])
    if not path.exists():
        pytest.skip(f"{path.name} is not in the data folder")
    data = build(config["data"])
    assert isinstance(data, ForecastDataModule)
    prepared = data.prepared
    assert [int(stop - first) for ((first, stop),) in prepared.parts] == [8640, 2880, 2880]
    assert len(prepared.starts.test) == windows
    baselines = {"last_value": LastValue()}
    fit_baselines(baselines, prepared)
    scores = score_baselines(baselines, prepared, "test", {"scaled_mse": ScaledMSE(spec=prepared.spec)})
    assert scores["last_value"].overall["scaled_mse"] == pytest.approx(expected, abs=5e-5)

"""A forecast from a frame with columns that need no file: the same as from the window of the training data."""

import numpy as np
import pandas as pd
import pytest
import torch
from model_forms import part

from recast.data.datamodule import ForecastDataModule
from recast.data.features.calendar import Calendar
from recast.data.features.lags import TargetLags
from recast.data.features.tide import FittedTide
from recast.data.prepare.windows import Windows
from recast.data.sources.frame import FrameSource, FrameTable
from recast.data.spec import SeriesSpec
from recast.errors import ConfigurationError, DataError
from recast.nn.models.direct import Direct
from recast.nn.models.model import ForecastModel
from recast.runs.baseline_windows import training_history, windows
from recast.runs.fitted_baseline import FittedBaseline
from recast.runs.network_forecaster import NetworkForecaster
from recast.scoring.baselines.ridge import Ridge

CONTEXT, HORIZON, LAG = 8, 4, 30
FEATURES = {
    "calendar": Calendar(parts=["hour", "weekday"], form="category"),
    "lags": TargetLags(lags=[LAG]),
    "tide": FittedTide(constituents=["M2", "S2"]),
}


def frame_of(rows: int = 300) -> pd.DataFrame:
    random = np.random.default_rng(0)
    stamps = pd.date_range("2024-01-01", periods=rows, freq="h")
    return pd.DataFrame({"time": stamps, "level": random.normal(size=rows).cumsum(), "plan": random.normal(size=rows)})


def data_of(frame: pd.DataFrame, known: list[str] | None = None) -> ForecastDataModule:
    source = FrameSource(time="time", targets=["level"], known=known).for_table(FrameTable(frame, "time"))
    return ForecastDataModule(source=source, windows=Windows(context=CONTEXT, horizon=HORIZON), features=FEATURES)


def build_model(spec: SeriesSpec) -> ForecastModel:
    torch.manual_seed(0)
    return Direct(spec=spec, cell=part("cell", "gru"), head=part("head", "point")).double().eval()


def forecaster_of(data: ForecastDataModule) -> NetworkForecaster:
    return NetworkForecaster(
        build_model=build_model, spec=data.spec, source=data.source, grid=data.grid, covariates=data.covariates
    )


@pytest.mark.parametrize("known", [None, ["plan"]])
def test_a_frame_is_forecast_as_the_window_of_the_same_origin(known):
    frame = frame_of()
    data = data_of(frame, known)
    forecaster = forecaster_of(data)
    clock = data.prepared.panel.clock
    for start in data.prepared.starts.test[[0, 5, -1]].tolist():
        origin = clock[start + CONTEXT - 1]
        seen = frame[frame["time"] <= origin]
        ahead = frame.loc[frame["time"] > origin, ["time", "plan"]] if known else None
        found = forecaster.forecast(seen[["time", "level", *(known or [])]], ahead)
        batch = data.windows_at(torch.tensor([start]))
        spec = data.spec
        expected = forecaster.model.forecast(batch.to_precision(torch.float64), samples=1).mean[0, :, 0]
        assert found["level"].to_numpy() == pytest.approx(expected * spec.scale[0] + spec.offset[0], abs=1e-9)
        assert found["time"].tolist() == list(pd.DatetimeIndex(clock[start + CONTEXT : start + CONTEXT + HORIZON]))


def test_the_shortest_frame_has_context_and_lag():
    frame = frame_of()
    forecaster = forecaster_of(data_of(frame))
    whole = forecaster.forecast(frame)
    shortest = forecaster.forecast(frame.tail(CONTEXT + LAG))
    assert shortest["level"].tolist() == pytest.approx(whole["level"].tolist())
    with pytest.raises(DataError, match=rf"{CONTEXT - 1} rows; the model reads the last {CONTEXT} steps.*give more"):
        forecaster.forecast(frame.tail(CONTEXT + LAG - 1))


def test_a_longer_horizon_than_a_lag_is_refused():
    forecaster = forecaster_of(data_of(frame_of()))
    with pytest.raises(ConfigurationError, match="forecasts no other number of steps"):
        forecaster.forecast(frame_of(), horizon=LAG + 1)


def test_a_baseline_forecasts_beyond_the_end_with_the_same_inputs():
    frame = frame_of()
    data = data_of(frame)
    baseline = Ridge(penalty=10.0)
    baseline.fit(training_history(data.prepared))
    fitted = FittedBaseline(baseline, data.spec, (), np.empty((0, HORIZON, 1)))
    ((origins, _),) = windows(data.prepared, "test")
    expected = baseline.forecast(origins)[-1]
    before = frame.iloc[:-HORIZON]
    series, _, computed = forecaster_of(data).read(data.spec, FrameTable(before, "time"))
    assert fitted.forecast(series, None, computed).mean[0].numpy() == pytest.approx(expected)

"""A forecast as a table: every column has a name of its own, every stamp its hour."""

import numpy as np
import pandas as pd
import pytest
import torch

from recast.data.panel import Panel, columns_of
from recast.runs.series_forecast import SeriesForecast
from recast.types import Forecast

LEVELS = (0.5, 0.8)


def forecast_of(
    *targets: str, time: str = "time", step: str = "h", first: str = "2020-01-01", timezone: str | None = None
) -> SeriesForecast:
    """Three steps ahead of 24, that of target k is 10 k + lead, between samples 0.1 apart."""
    clock = pd.date_range(first, periods=27, freq=step).to_numpy().astype("datetime64[ns]")
    series = Panel(
        columns=columns_of(targets=list(targets)),
        values=np.zeros((24, len(targets))),
        starts=np.zeros(1, dtype=np.int64),
        label="made up",
        times=clock[:24],
        step=step,
        timezone=timezone,
    )
    mean = 10.0 * torch.arange(len(targets)) + torch.arange(1, 4)[None, :, None]
    samples = mean.double() + 0.1 * torch.arange(-9, 10)[:, None, None, None]
    return SeriesForecast(series, clock[None, 24:], Forecast(mean.double(), samples), time)


@pytest.mark.parametrize(
    ("targets", "time"),
    [
        (("level",), "time"),
        (("datetime", "level"), "stamp"),
        (("level", "level_lower_80", "level_upper_50"), "time"),
        (("level",), "level_lower_80"),
        (("a", "a_lower_80", "a_lower_80_"), "a_upper_80"),
    ],
)
def test_no_column_takes_the_name_of_another(targets, time):
    found = forecast_of(*targets, time=time)
    frame = found.frame(LEVELS)
    assert frame.columns.is_unique
    assert frame.columns[0] == time
    assert len(frame.columns) == 1 + len(targets) * 5
    assert frame[time].tolist() == list(pd.DatetimeIndex(found.times[0]))
    for place, name in enumerate(targets):
        assert frame[name].tolist() == [10 * place + lead for lead in (1, 2, 3)]
    values = frame.drop(columns=time).to_numpy().reshape(3, len(targets), 5)
    assert (values[..., 3] < values[..., 1]).all()
    assert (values[..., 1] < values[..., 0]).all()
    assert (values[..., 0] < values[..., 2]).all()
    assert (values[..., 2] < values[..., 4]).all()


def test_names_are_plain_where_they_are_free():
    names = forecast_of("level").frame((0.8,)).columns.tolist()
    assert names == ["time", "level", "level_lower_80", "level_upper_80"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"step": "h"}, "2020-01-02 00:00:00"),
        ({"step": "8h"}, "2020-01-09 00:00:00"),
        ({"step": "D"}, "2020-01-25"),
        ({"step": "D", "first": "2020-01-01T12:00"}, "2020-01-25 12:00:00"),
        ({"step": "D", "timezone": "UTC"}, "2020-01-25 00:00:00+00:00"),
        ({"step": "h", "timezone": "UTC"}, "2020-01-02 00:00:00+00:00"),
    ],
)
def test_the_hour_is_left_out_of_whole_days_alone(options, expected):
    found = forecast_of("level", **options)
    whole = found.text(()).splitlines()
    assert whole[1].split(",")[0] == expected
    # A forecast of one step may end in midnights alone.
    one = SeriesForecast(found.series, found.times[:, :1], found.forecast.values(lambda part: part[..., :1, :]), "time")
    assert one.text(()).splitlines() == whole[:2]

"""A small series with known inputs, for tests that need any data."""

import numpy as np
import pandas as pd

from recast.data.datamodule import ForecastDataModule
from recast.data.prepare.windows import Windows
from recast.data.sources.autoregressive import AR2
from recast.data.sources.frame import FrameSource, FrameTable


def small_data(**options: object) -> ForecastDataModule:
    """A hundred and twenty hours of AR(2) with a daily period: 75 training, 3 validation and 15 test windows."""
    defaults = {
        "source": AR2(rows=120),
        "windows": Windows(context=6, horizon=4),
        "periods": [24.0],
        "batch_size": 25,
        "evaluation_batch_size": 4,
    }
    return ForecastDataModule(**(defaults | options))


def small_counts(**options: object) -> ForecastDataModule:
    """Two hundred hours of a Poisson count, as of `small_data`."""
    counts = np.random.default_rng(0).poisson(3.0, 200)
    frame = pd.DataFrame({"sales": counts}, pd.date_range("2020", periods=len(counts), freq="h", name="time"))
    data = small_data(source=FrameSource(time="time", targets=["sales"]), **options)
    data.read_from(FrameTable(frame, "time"))
    return data

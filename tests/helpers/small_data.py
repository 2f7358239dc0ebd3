"""A small series with known inputs, for tests that need any data."""

from recast.data.datamodule import ForecastDataModule
from recast.data.prepare.windows import Windows
from recast.data.sources.autoregressive import AR2


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

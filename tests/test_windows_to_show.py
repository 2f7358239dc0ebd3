"""Which windows pictures show, and what they are called."""

from functools import partial

import numpy as np
import pytest

from recast.callbacks.windows_to_show import evenly, forecast_windows
from recast.cells.gru import GRU
from recast.datamodule import ForecastDataModule
from recast.heads.gaussian import Gaussian
from recast.models.encoder_decoder import EncoderDecoder
from recast.prepare.windows import Windows
from recast.schedules.never import Never
from recast.series.autoregressive import AR2
from recast.series.sines import TwoSines
from recast.task import ForecastTask


@pytest.mark.parametrize(("count", "wanted"), [(10, 4), (3, 4), (1, 1), (1000, 6)])
def test_evenly_spread_without_repetition(count, wanted):
    chosen = evenly(count, wanted)
    assert len(set(chosen)) == len(chosen) == min(count, wanted)
    assert all(0 <= number < count for number in chosen)


def shown(source):
    data = ForecastDataModule(source=source, windows=Windows(context=20, horizon=5))
    model = EncoderDecoder(
        spec=data.spec,
        cell=partial(GRU, hidden_size=4),
        head=Gaussian(),
        schedule=Never(),
    )
    return forecast_windows(ForecastTask(model=model, samples=30), data, "test", 3), data


def test_truth_and_context_are_the_rows_around_the_origin():
    panels, data = shown(AR2(rows=400))
    values = data.prepared.panel.values[:, 0]
    for panel in panels:
        origin = int(np.searchsorted(data.prepared.panel.times, panel.context_times[-1]))
        assert origin >= data.prepared.parts.test[0]
        assert np.array_equal(panel.truth, values[origin + 1 : origin + 6])
        assert np.array_equal(panel.context, values[origin - len(panel.context) + 1 : origin + 1])
        assert np.all(panel.lower < panel.upper)


def test_series_of_a_panel_are_numbered_and_others_dated():
    panels, _ = shown(TwoSines(series=40, length=25))
    numbers = [int(panel.title.removeprefix("series ")) for panel in panels]
    assert all(32 < number <= 40 for number in numbers)
    dated, _ = shown(AR2(rows=400))
    assert all(panel.title.startswith("from ") for panel in dated)

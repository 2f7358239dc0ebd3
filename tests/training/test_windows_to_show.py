"""Which windows pictures show, and what they are called."""

from functools import partial

import numpy as np
import pandas as pd
import pytest

from recast.data.datamodule import ForecastDataModule
from recast.data.prepare.split import ItemsSplit
from recast.data.prepare.windows import Windows
from recast.data.sources.autoregressive import AR2
from recast.data.sources.csv_file import CsvSource
from recast.data.sources.sines import TwoSines
from recast.nn.cells.gru import GRU
from recast.nn.heads.gaussian import Gaussian
from recast.nn.heads.point import Point
from recast.nn.heads.quantile import Quantile
from recast.nn.models.encoder_decoder import EncoderDecoder
from recast.nn.schedules import Never
from recast.training.callbacks.windows_to_show import forecast_windows
from recast.training.evenly import evenly_spaced
from recast.training.task import ForecastTask


@pytest.mark.parametrize(("count", "wanted"), [(10, 4), (3, 4), (1, 1), (1000, 6)])
def test_evenly_spread_without_repetition(count, wanted):
    chosen = evenly_spaced(count, wanted)
    assert len(set(chosen)) == len(chosen) == min(count, wanted)
    assert all(0 <= number < count for number in chosen)


@pytest.mark.parametrize(("count", "wanted"), [(10, 4), (3, 4), (1, 1), (1000, 6), (5, 1)])
def test_evenly_spread_from_end_to_end(count, wanted):
    chosen = evenly_spaced(count, wanted, ends=True)
    assert chosen[0] == 0
    assert chosen[-1] == (count - 1 if wanted > 1 else 0)
    assert len(set(chosen)) == len(chosen) == min(count, wanted)
    assert max(np.diff(chosen), default=1) - min(np.diff(chosen), default=1) <= 1


def shown(source, head=None, split=None):
    data = ForecastDataModule(source=source, windows=Windows(context=20, horizon=5), split=split)
    model = EncoderDecoder(
        spec=data.spec,
        cell=partial(GRU, hidden_size=4),
        head=head or Gaussian(),
        schedule=Never(),
    )
    return forecast_windows(ForecastTask(model=model, samples=30), data, "test", 3), data


def test_truth_and_context_are_the_rows_around_the_origin():
    (target,), data = shown(AR2(rows=400))
    assert (target.name, target.unit) == (data.spec.names[0], data.spec.units[0])
    panels = target.panels
    values = data.prepared.panel.values[:, 0]
    for panel in panels:
        origin = int(np.searchsorted(data.prepared.panel.times, panel.context_times[-1]))
        assert origin >= data.prepared.parts.test[0, 0]
        assert np.array_equal(panel.truth, values[origin + 1 : origin + 6])
        assert np.array_equal(panel.context, values[origin - len(panel.context) + 1 : origin + 1])
        assert np.all(panel.lower < panel.upper)


def test_series_of_a_panel_are_numbered_and_others_dated():
    (target,), _ = shown(TwoSines(series=40, length=25), split=ItemsSplit())
    numbers = [int(panel.title.removeprefix("series ")) for panel in target.panels]
    assert all(32 < number <= 40 for number in numbers)
    (dated,), _ = shown(AR2(rows=400))
    assert all(panel.title.startswith("from ") for panel in dated.panels)


def several(tmp_path, targets=3):
    """Sines of different sizes side by side."""
    steps = np.arange(300)
    table = {"time": pd.date_range("2020-01-01", periods=300, freq="h")}
    table |= {f"v{i}": (10.0**i) * np.sin(steps / (5 + i)) for i in range(targets)}
    pd.DataFrame(table).to_csv(tmp_path / "several.csv", index=False)
    names = [f"v{i}" for i in range(targets)]
    return CsvSource(path=str(tmp_path / "several.csv"), time="time", targets=names)


@pytest.mark.parametrize("head", [Gaussian(), Quantile(), Quantile(levels=[0.2, 0.5, 0.7]), Point()])
def test_every_target_has_its_own_panels_and_band(tmp_path, head):
    targets, data = shown(several(tmp_path), head=head)
    assert [target.name for target in targets] == ["v0", "v1", "v2"]
    values = data.prepared.panel.values
    for place, target in enumerate(targets):
        assert len(target.panels) == 3
        for panel in target.panels:
            origin = int(np.searchsorted(data.prepared.panel.times, panel.context_times[-1]))
            assert np.array_equal(panel.truth, values[origin + 1 : origin + 6, place])
            assert panel.level == (None if isinstance(head, Point) else pytest.approx(0.4 if head.size == 3 else 0.9))
            if panel.band is not None:
                assert np.all(panel.lower < panel.mean)
                assert np.all(panel.mean < panel.upper)

"""Scaling item by item and window by window, against NumPy, and what it may not see."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from recast.data.local_scaling import LocalScaling
from recast.data.panel import Panel, columns_of
from recast.data.prepare.grid import ErrorGrid, MaskGrid
from recast.data.prepare.local_scales import of_context
from recast.data.prepare.prepare import Prepared, prepare
from recast.data.prepare.regime import MultiOrigin, StatefulStreams
from recast.data.prepare.scale import MinMax, NoScaling, Scaler, Standard, WindowScaler
from recast.data.prepare.split import FractionSplit, ItemsSplit, LastSplit
from recast.data.prepare.storage import stored
from recast.data.prepare.windows import Windows
from recast.data.spec import SeriesSpec
from recast.errors import ConfigurationError
from recast.nn.anchors import LastAnchor
from recast.nn.cells.gru import GRU
from recast.nn.heads.point import Point
from recast.nn.models.direct import Direct
from recast.nn.models.per_step import PerStep
from recast.runs.checkpoints.spec import checked_series_spec
from recast.training.task import ForecastTask
from recast.types import Batch

SIZES = (1.0, 1e3, 1e6)
WINDOWS = Windows(context=8, horizon=3, reach_back=True)
SCALERS = {
    "mean": WindowScaler(level=True),
    "last": WindowScaler(statistic="last"),
    "standard": WindowScaler(statistic="standard"),
    "item": Standard(by="item"),
    "minmax": MinMax(by="item"),
}


def panel_of(
    sizes: tuple[float, ...] = SIZES, rows: int = 60, *, targets: int = 1, missing: float = 0.0, seed: int = 0
) -> Panel:
    """Random walks of different size and level, an item for each size, beside an input of one size."""
    random = np.random.default_rng(seed)
    walks = [size * (5 + random.normal(size=(rows + 7 * n, targets)).cumsum(axis=0)) for n, size in enumerate(sizes)]
    lengths = np.array([len(walk) for walk in walks])
    values = np.concatenate(walks)
    values[random.random(values.shape) < missing] = np.nan
    hours = np.concatenate([np.arange(length) for length in lengths])
    return Panel(
        columns=columns_of(targets=[f"y{n}" for n in range(targets)], past=["x"]),
        values=np.column_stack([values, random.normal(3, 2, size=len(values))]),
        starts=np.cumsum(lengths) - lengths,
        label="walks",
        times=np.datetime64("2020-01-01", "ns") + hours * np.timedelta64(3_600_000_000_000, "ns"),
        step="h",
        items=np.arange(len(sizes)),
        ids=tuple(f"item {n}" for n in range(len(sizes))),
    )


def prepared_of(panel: Panel, scaler: Scaler, split: object = None, **options: object) -> Prepared:
    grid = MaskGrid() if np.isnan(panel.values).any() else ErrorGrid()
    split = split or FractionSplit(validation=0.2, test=0.2)
    return prepare(panel, grid=grid, split=split, scaler=scaler, **{"windows": WINDOWS, **options})


def batch_of(prepared: Prepared, part: str = "test") -> Batch:
    return prepared.storage.windows(getattr(prepared.starts, part), 8, 3)


def expected(name: str, context: np.ndarray) -> tuple[float, float]:
    """Location and scale of the values of a context."""
    if name == "last":
        return context[-1], np.abs(context - context[-1]).mean()
    if name == "standard":
        return context.mean(), context.std()
    return context.mean(), np.abs(context - context.mean()).mean()


@pytest.mark.parametrize("missing", [0.0, 0.3])
@pytest.mark.parametrize("name", ["mean", "last", "standard"])
def test_windows_are_scaled_by_their_own_context(name: str, missing: float):
    prepared = prepared_of(panel_of(missing=missing), SCALERS[name])
    batch, values = batch_of(prepared), prepared.panel.targets[:, 0]
    assert batch.scaling is not None
    assert len(batch.start) > 20
    for window, start in enumerate(batch.start.tolist()):
        whole = values[start : start + 11]
        seen = whole[:8][~np.isnan(whole[:8])]
        location, scale = expected(name, seen)
        scale = max(scale, 1e-3 * np.abs(seen).mean())
        found = batch.scaling.location[window, 0, 0].item(), batch.scaling.scale[window, 0, 0].item()
        assert_allclose(found, (location, scale), rtol=1e-5)
        scaled = np.nan_to_num((whole - location) / scale)
        assert_allclose(torch.cat([batch.history, batch.target], dim=1)[window, :, 0], scaled, rtol=1e-3, atol=1e-3)
        if name == "mean":
            assert batch.static[window].item() == pytest.approx(np.log1p(abs(location) / scale), rel=1e-5)
    if missing:
        assert (batch.history[~batch.observed.history] == 0).all()


@pytest.mark.parametrize("name", ["item", "minmax"])
def test_items_are_scaled_by_their_training_rows(name: str):
    prepared = prepared_of(panel_of(), SCALERS[name])
    batch, panel = batch_of(prepared), prepared.panel
    for item, (first, stop) in enumerate(prepared.parts.train.tolist()):
        rows = panel.targets[first:stop, 0]
        low, high = rows.min(), rows.max()
        location, scale = (rows.mean(), rows.std()) if name == "item" else ((low + high) / 2, (high - low) / 2)
        of_item = batch.item == item
        assert of_item.any()
        for window in batch.take(of_item.nonzero().flatten()).start.tolist():
            own = batch.take((batch.start == window).nonzero().flatten())
            wanted = (panel.targets[window : window + 8, 0] - location) / scale
            assert_allclose(own.history[0, :, 0], wanted, rtol=1e-4, atol=1e-5)
            assert_allclose(own.scaling.location.item(), location, rtol=1e-12)


@pytest.mark.parametrize("scaler", [Standard(by="item"), MinMax(by="item"), WindowScaler(statistic="standard")])
def test_items_that_are_held_out_are_scaled_by_the_context_of_each_window(scaler: Scaler):
    """Changing what lies before the context, or behind it, changes nothing."""
    split = ItemsSplit(validation=0.25, test=0.25)
    panel = panel_of((*SIZES, 1e-3))
    batch = batch_of(prepared_of(panel, scaler, split))
    assert (batch.item == 3).all()
    context = panel.targets[batch.start[:, None].numpy() + np.arange(8), 0]
    if isinstance(scaler, MinMax):
        middle, half = (context.max(axis=1) + context.min(axis=1)) / 2, (context.max(axis=1) - context.min(axis=1)) / 2
        assert_allclose(batch.scaling.location.flatten(), middle, rtol=1e-5, atol=1e-9)
        assert_allclose(batch.scaling.scale.flatten(), half, rtol=1e-5)
    else:
        assert_allclose(batch.scaling.location.flatten(), context.mean(axis=1), rtol=1e-5, atol=1e-9)
        assert_allclose(batch.scaling.scale.flatten(), context.std(axis=1), rtol=1e-5)


def task_of(spec: SeriesSpec, kind: type = Direct) -> ForecastTask:
    torch.manual_seed(0)
    model = kind(spec=spec, cell=partial(GRU, hidden_size=4), head=Point(), anchor=LastAnchor)
    return ForecastTask(model=model).eval()


@settings(max_examples=25, deadline=None)
@given(name=st.sampled_from(sorted(SCALERS)), missing=st.sampled_from([0.0, 0.4]), seed=st.integers(0, 1000))
def test_no_value_after_the_origin_changes_a_forecast(name: str, missing: float, seed: int):
    """Of two targets, one may not have been observed at all before the origin."""
    panel = panel_of(rows=30, targets=2, missing=missing, seed=seed)
    split = LastSplit(validation=0, test=3)
    prepared = prepared_of(panel, SCALERS[name], split)
    batch = batch_of(prepared)
    values = prepared.panel.values.copy()
    for start in batch.start.tolist():
        values[start + 8 : start + 11, :2] = 1e9 * (1 + seed)
    other = replace(panel, values=values)
    storage = stored(other, prepared.spec)
    task = task_of(prepared.spec)
    found, same = (task.forecast(of.windows(batch.start, 8, 3)) for of in (prepared.storage, storage))
    assert_allclose(found.mean, same.mean, rtol=1e-9)
    # And with other numbers in training only training rows count.
    again = prepared_of(other, SCALERS[name], split).spec
    assert again.local == prepared.spec.local


@pytest.mark.parametrize("name", sorted(SCALERS))
@pytest.mark.parametrize("kind", [Direct, PerStep])
def test_forecasts_and_truths_are_in_the_unit_of_the_data(name: str, kind: type):
    prepared = prepared_of(panel_of(), SCALERS[name])
    task, batch = task_of(prepared.spec, kind), batch_of(prepared)
    forecast = task.forecast(batch)
    truth = prepared.panel.targets[batch.start[:, None].numpy() + np.arange(8, 11)]
    assert_allclose(task.in_unit(batch.target, batch), truth, rtol=1e-3)
    assert_allclose(batch.truth, truth, rtol=0)
    scaled = task.model.forecast(batch, samples=5)
    back = scaled.mean.double().numpy() * batch.scaling.scale.numpy() + batch.scaling.location.numpy()
    assert_allclose(forecast.mean, back, rtol=1e-9)
    one = task.forecast(batch.take(torch.tensor([4])))
    assert_allclose(one.mean[0], forecast.mean[4], rtol=1e-5)


def test_an_item_a_thousand_times_as_large_is_forecast_a_thousand_times_as_high():
    panel = panel_of((1.0,), rows=50)
    large = replace(panel, values=np.column_stack([1e3 * panel.targets, panel.values[:, 1]]))
    for name in ("mean", "last", "standard"):
        small, big = (prepared_of(of, SCALERS[name]) for of in (panel, large))
        forecasts = [task_of(of.spec).forecast(batch_of(of)).mean for of in (small, big)]
        assert_allclose(1e3 * forecasts[0], forecasts[1], rtol=1e-4)


def test_small_changes_of_large_numbers_survive():
    panel = panel_of((1.0,))
    shifted = replace(panel, values=panel.values + np.array([1.6e9, 0.0]))
    found, wanted = (batch_of(prepared_of(of, SCALERS["standard"])) for of in (shifted, panel))
    scale = wanted.scaling.scale.clamp(min=1.6e6)
    assert_allclose(found.history * scale, wanted.history * wanted.scaling.scale, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize(("value", "least"), [(0.0, 1.0), (50.0, 0.05)])
def test_a_constant_context_has_a_scale(value: float, least: float):
    values = torch.full((1, 6, 1), value, dtype=torch.float64)
    seen = torch.ones_like(values, dtype=torch.bool)
    for statistic in ("mean", "last", "standard", "minmax"):
        found = of_context(values, seen, LocalScaling(statistic=statistic))
        assert found.scale.item() == pytest.approx(least)
    nothing = of_context(values, ~seen, LocalScaling(statistic="mean"))
    assert (nothing.location.item(), nothing.scale.item()) == (0.0, 1.0)


@pytest.mark.parametrize("name", sorted(SCALERS))
def test_the_scaling_is_read_back_from_a_checkpoint(name: str):
    spec = prepared_of(panel_of(), SCALERS[name]).spec
    assert checked_series_spec(spec.to_dict()) == spec
    before = {key: value for key, value in spec.to_dict().items() if key not in ("local", "items_differ")}
    assert checked_series_spec(before) == replace(spec, local=None, items_differ=False)
    if spec.local is not None and spec.local.ids:
        wrong = spec.to_dict()
        wrong["local"]["offset"] = wrong["local"]["offset"][1:]
        with pytest.raises(ConfigurationError, match="do not fit 3 items of 1 targets"):
            checked_series_spec(wrong)


def test_an_item_keeps_its_numbers_in_other_data():
    """A new item is scaled window by window, one of the training as it was then."""
    prepared = prepared_of(panel_of(), SCALERS["item"])
    later = replace(panel_of(seed=5), ids=("item 1", "item 0", "other"))
    batch = batch_of(prepared_of(later, SCALERS["item"], trained=prepared.spec))
    offset = dict(zip(prepared.spec.local.ids, prepared.spec.local.offset, strict=True))
    for item, name in enumerate(later.ids[:2]):
        assert (batch.scaling.location[batch.item == item] == offset[name][0]).all()
    new = batch.item == 2
    assert new.any()
    assert len(batch.scaling.location[new].unique()) == new.sum()


@pytest.mark.parametrize("regime", [MultiOrigin(origins=2, apart=2), StatefulStreams(chunk=8)])
def test_several_forecasts_of_one_reading_need_one_scaling(regime: object):
    prepared = prepared_of(panel_of(), SCALERS["mean"])
    with pytest.raises(ConfigurationError, match=r"windows are scaled one by one .* data/regime=shuffled"):
        regime.loader(prepared, batch_size=2, seed=0)
    regime.loader(prepared_of(panel_of(), SCALERS["item"]), batch_size=2, seed=0)


def test_without_local_scaling_nothing_is_added():
    for scaler in (Standard(), MinMax(), NoScaling()):
        batch = batch_of(prepared_of(panel_of(), scaler))
        assert batch.scaling is None
        assert batch.static.shape[1] == 0

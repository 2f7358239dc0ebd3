"""The time since the origin as an input known ahead: by true stamps, the same wherever a window is made."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from commands import scratch
from hypothesis import given, settings
from hypothesis import strategies as st
from model_forms import HALFWAY, MODELS, model_of, part

import recast
from recast.data.datamodule import ForecastDataModule
from recast.data.features.calendar import Calendar
from recast.data.features.since_origin import SinceOrigin
from recast.data.prepare.grid import ErrorGrid, Grid, MaskGrid, RowsGrid
from recast.data.prepare.regime import MultiOrigin, StatefulStreams
from recast.data.prepare.windows import Windows
from recast.data.sources.frame import FrameSource, FrameTable
from recast.errors import ConfigurationError
from recast.nn.anchors import LastAnchor
from recast.nn.fixed_anchors.auto import AutoAnchor
from recast.nn.fixed_anchors.ridge import RidgeAnchor
from recast.nn.models.direct import Direct
from recast.nn.models.per_step import PerStep
from recast.nn.models.recursive import Recursive
from recast.runs.baseline_windows import inputs_of
from recast.runs.checkpoints.spec import checked_series_spec
from recast.runs.network_forecaster import NetworkForecaster
from recast.types import Batch

CONTEXT, HORIZON = 10, 4
LENGTH = CONTEXT + HORIZON


def frame_of(minutes: np.ndarray, *, first: str = "2024-01-01", seed: int = 0) -> pd.DataFrame:
    stamps = pd.Timestamp(first) + pd.to_timedelta(minutes, unit="min")
    values = np.random.default_rng(seed).normal(size=len(minutes)).cumsum()
    return pd.DataFrame({"time": stamps, "level": values, "flow": 1 - values})


def data_of(
    frame: pd.DataFrame, *, unit: str | None = "6h", grid: Grid | None = None, **options: Any
) -> ForecastDataModule:
    roles = {"time": "time", "targets": ["level", "flow"], "missing": []}
    features = {"c": Calendar(parts=["hour"])} | ({} if unit is None else {"o": SinceOrigin(unit=unit)})
    return ForecastDataModule(
        source=FrameSource(**roles).for_table(FrameTable(frame, "time")),
        windows=Windows(context=CONTEXT, horizon=HORIZON),
        features=features,
        grid=grid or ErrorGrid(),
        **options,
    )


HOURLY = 60 * np.arange(200)


def place(data: ForecastDataModule) -> int:
    return [column.name for column in data.spec.reals("known")].index("o.time")


def batch_of(data: ForecastDataModule, first: int = 0, count: int = 100) -> Batch:
    return data.windows_at(torch.arange(first, first + count))


def test_of_regular_stamps_it_is_the_number_of_the_step():
    data = data_of(frame_of(HOURLY), periods=[24.0])
    batch = batch_of(data)
    expected = (torch.arange(LENGTH) - (CONTEXT - 1)) / 6
    torch.testing.assert_close(batch.known[..., place(data)], expected.expand(100, -1), rtol=1e-6, atol=0)
    assert (batch.known[:, CONTEXT - 1, place(data)] == 0).all()
    assert data.spec.of("known")[-1].unit == "6h"


def test_all_else_is_as_without_it():
    data, other = (data_of(frame_of(HOURLY), unit=unit, periods=[24.0]) for unit in ("6h", None))
    one, without = batch_of(data), batch_of(other)
    kept = [column for column in range(one.known.shape[2]) if column != place(data)]
    assert one.known[..., kept].equal(without.known)
    assert one.history.equal(without.history)
    assert one.target.equal(without.target)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5000), st.sampled_from(["1D", "90min"]))
def test_of_irregular_stamps_it_is_by_the_true_ones(seed, longest, unit):
    minutes = np.cumsum(np.random.default_rng(seed).integers(1, longest, 200))
    data = data_of(frame_of(minutes), unit=unit, grid=RowsGrid())
    found = batch_of(data, count=200 - LENGTH)
    for start, values in enumerate(found.known[..., place(data)]):
        origin = minutes[start + CONTEXT - 1]
        since = (minutes[start : start + LENGTH] - origin) * (pd.Timedelta("1min") / pd.Timedelta(unit))
        np.testing.assert_allclose(values.numpy(), since, rtol=1e-6, atol=1e-9)


def test_nothing_of_the_date_is_left_in_it():
    one, other = (data_of(frame_of(HOURLY, first=first)) for first in ("1900-01-01", "2199-01-01"))
    known, later = (batch_of(data).known[..., place(data)] for data in (one, other))
    torch.testing.assert_close(known, later, rtol=1e-6, atol=1e-9)


def test_rows_that_are_masked_have_it():
    frame = frame_of(HOURLY).drop(index=[7, 8, 30])
    data, whole = data_of(frame, grid=MaskGrid()), data_of(frame_of(HOURLY))
    batch = batch_of(data)
    assert batch.observed is not None
    assert batch.observed.known[..., place(data)].all()
    assert batch.known[..., place(data)].equal(batch_of(whole).known[..., place(whole)])


@pytest.mark.parametrize("model", MODELS)
def test_every_form_of_model_reads_it(model):
    data = data_of(frame_of(HOURLY))
    options = {"spec": data.spec}
    if model == "per_step":
        torch.manual_seed(0)
        built = PerStep(**options, cell=part("cell", "gru"), head=part("head", "point"), origins=1).double().eval()
    else:
        built = model_of(model, **options)
    batch = batch_of(data, count=3).to_precision(torch.float64)
    known = batch.known.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(built(batch._replace(known=known)).sum(), known)
    assert (gradient[:, CONTEXT:, place(data)].abs() > 0).any(dim=0).all()


def test_several_origins_in_a_window_are_refused():
    data = data_of(frame_of(HOURLY), regime=MultiOrigin(origins=2, apart=3))
    (batch,) = [next(iter(data.train_dataloader()))]
    model = model_of("direct", spec=data.spec)
    with pytest.raises(ConfigurationError, match=r"o\.time counts from the last step .*data/regime=shuffled"):
        model.training_forecast(batch.to_precision(torch.float64), HALFWAY)
    with pytest.raises(ConfigurationError, match=r"PerStep: o\.time counts .*use model\.origins=1, or leave the"):
        model_of("per_step", spec=data.spec)


def test_chunks_that_states_are_carried_across_are_refused():
    data = data_of(frame_of(HOURLY), regime=StatefulStreams(chunk=5), batch_size=2)
    with pytest.raises(ConfigurationError, match=r"StatefulStreams: o\.time counts .* data/regime=shuffled, or leave"):
        data.train_dataloader()
    assert len(data_of(frame_of(HOURLY), unit=None, regime=StatefulStreams(chunk=5), batch_size=2).train_dataloader())


def test_an_anchor_that_is_read_at_every_step_reads_no_time_since_one():
    """The refusal, and that a recursion without such an anchor, or without inputs of it, is none the worse."""
    frame = frame_of(np.cumsum(np.random.default_rng(3).integers(1, 90, 200)))
    data, without = (data_of(frame, unit=unit, grid=RowsGrid()) for unit in ("6h", None))
    message = r"Recursive: o\.time counts .*RidgeAnchor reads inputs.*model/anchor=last\), or leave the feature out"
    with pytest.raises(ConfigurationError, match=message):
        model_of("recursive", anchor="ridge", spec=data.spec)
    model_of("recursive", anchor="ridge", spec=without.spec)
    model_of("recursive", anchor="last", spec=data.spec)
    # Which of several will be chosen is not known before training.
    parts = {"cell": part("cell", "gru"), "head": part("head", "point")}
    within = partial(Recursive, spec=data.spec, **parts)
    with pytest.raises(ConfigurationError, match=r"Recursive: o\.time counts .*AutoAnchor reads inputs"):
        within(anchor=partial(AutoAnchor, candidates={"last": LastAnchor, "ridge": RidgeAnchor}))
    within(anchor=partial(AutoAnchor, candidates={"last": LastAnchor}))


@pytest.mark.parametrize("unit", ["", "soon", "-1h", "0h"])
def test_a_unit_is_a_length_of_time(unit):
    with pytest.raises(ConfigurationError, match=f"SinceOrigin: unit={unit!r} is no length of time"):
        SinceOrigin(unit=unit)


def test_baselines_have_the_stamps_themselves():
    data, without = data_of(frame_of(HOURLY)), data_of(frame_of(HOURLY), unit=None)
    found, expected = (inputs_of(one.prepared.panel, one.spec)[1] for one in (data, without))
    np.testing.assert_array_equal(found, expected)


def test_a_forecast_has_what_the_batch_of_that_origin_has(tmp_path: Path):
    frame = frame_of(np.cumsum(np.random.default_rng(2).integers(30, 90, 200)))
    data = data_of(frame, grid=RowsGrid())
    seen: list[Batch] = []

    def build_model(spec: Any) -> Direct:
        torch.manual_seed(0)
        model = Direct(spec=spec, cell=part("cell", "gru"), head=part("head", "point")).double().eval()
        model.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        return model

    forecaster = NetworkForecaster(
        build_model=build_model, spec=data.spec, source=data.source, grid=data.grid, covariates=data.covariates
    )
    forecaster.forecast(frame[:150])
    frame[:150].to_csv(tmp_path / "past.csv", index=False)
    forecaster.forecast_table(forecaster.source.load(str(tmp_path / "past.csv")), None, samples=1, seed=0)
    assert seen[1].known.equal(seen[0].known)
    expected = batch_of(data, first=150 - CONTEXT, count=1).known[0, :, place(data)]
    step = pd.Timedelta(data.spec.step) / pd.Timedelta("6h")
    found = seen[0].known[0, :, place(data)]
    torch.testing.assert_close(found[:CONTEXT].float(), expected[:CONTEXT])
    # What follows the end of a table follows by its step.
    np.testing.assert_allclose(found[CONTEXT:], step * np.arange(1, HORIZON + 1), rtol=1e-6)


def test_a_checkpoint_keeps_it_and_refuses_another():
    spec = data_of(frame_of(HOURLY)).spec
    content = spec.to_dict()
    assert checked_series_spec(content) == spec
    assert [column.get("from_origin", False) for column in content["columns"]] == [c.from_origin for c in spec.columns]
    for changed in ({"from_origin": "yes"}, {"role": "past"}, {"levels": ["a", "b"]}):
        wrong = [column | changed if "from_origin" in column else column for column in content["columns"]]
        with pytest.raises(ConfigurationError, match=r"spec: from_origin=(True|'yes') is no from_origin"):
            checked_series_spec(content | {"columns": wrong})
    plain = replace(spec, columns=tuple(replace(column, from_origin=False) for column in spec.columns))
    assert all("from_origin" not in column for column in plain.to_dict()["columns"])


def test_the_front_door_forecasts_by_it():
    words = ["data/features=since_origin", "data.features.since_origin.unit=6h", "model=direct", "logger=none"]
    words += [f"data.windows.context={CONTEXT}", f"data.windows.horizon={HORIZON}", "model.cell.hidden_size=4"]
    words += ["trainer.max_epochs=1", "callbacks.progress_bar=null", "callbacks.figures=null", "baselines=none"]
    frame = frame_of(HOURLY)[["time", "level"]]
    run = recast.fit(frame, "time", ["level"], words, scratch() / "since_origin")
    expected = run.forecaster.forecast(frame)
    assert recast.load(run.folder).forecast(frame).equals(expected)
    # Nothing but the hours since the origin is read of the stamps.
    later = frame.assign(time=frame["time"] + pd.Timedelta("1000D"))
    assert recast.load(run.folder).forecast(later)["level"].tolist() == pytest.approx(expected["level"].tolist())

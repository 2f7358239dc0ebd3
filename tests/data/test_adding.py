"""The adding problem: what its panel holds, what it is worth to guess, and that its windows are its series."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recast.data.datamodule import ForecastDataModule
from recast.data.prepare.grid import ErrorGrid
from recast.data.prepare.scale import NoScaling
from recast.data.prepare.split import ItemsSplit
from recast.data.prepare.windows import Windows
from recast.data.sources.adding import Adding
from recast.data.sources.fingerprint import fingerprint
from recast.errors import ConfigurationError
from recast.runs.configure import folders
from recast.runs.configure.build import build
from recast.runs.configure.check import check
from recast.runs.configure.compose import compose
from recast.runs.configure.training_options import TrainOptions
from recast.runs.scores import fit_baselines, score_baselines
from recast.scoring.baselines.naive import Drift, LastValue, Mean
from recast.scoring.baselines.ridge import Ridge
from recast.scoring.metrics.mse import MSE


def panel_of(source: Adding) -> np.ndarray:
    """Shape (series, length + 1, channels)."""
    return source.read().values.reshape(source.series, source.length + 1, 3)


@settings(max_examples=40, deadline=None)
@given(series=st.integers(1, 20), length=st.integers(2, 40), seed=st.integers(0, 2**32))
def test_the_answer_is_the_sum_of_the_two_marked_numbers(series, length, seed):
    total, value, marker = np.moveaxis(panel_of(Adding(series=series, length=length, seed=seed)), 2, 0)
    assert set(np.unique(marker)) == {0.0, 1.0}
    half = length // 2
    assert marker[:, :half].sum(axis=1).tolist() == [1] * series
    assert marker[:, half:].sum(axis=1).tolist() == [1] * series
    assert total[:, -1] == pytest.approx((value * marker).sum(axis=1), abs=1e-15)
    assert not total[:, :-1].any()
    assert not value[:, -1].any()
    assert not marker[:, -1].any()
    assert 0 <= value.min() <= value.max() < 1


def test_numbers_and_places_are_uniform():
    _, value, marker = np.moveaxis(panel_of(Adding(series=20_000, length=10)), 2, 0)
    assert np.quantile(value[:, :-1], [0.1, 0.5, 0.9]) == pytest.approx([0.1, 0.5, 0.9], abs=0.005)
    assert marker[:, :-1].mean(axis=0) == pytest.approx(np.full(10, 0.2), abs=0.01)
    # Places and numbers are drawn independently of each other.
    assert np.corrcoef(value[:, 0], marker[:, 0])[0, 1] == pytest.approx(0, abs=0.02)
    assert np.corrcoef(marker[:, 0], marker[:, 9])[0, 1] == pytest.approx(0, abs=0.02)


def test_to_answer_one_has_a_squared_error_of_a_sixth():
    answers = panel_of(Adding(series=50_000, length=2))[:, -1, 0]
    assert np.mean(answers) == pytest.approx(1, abs=0.005)
    assert np.mean((answers - 1) ** 2) == pytest.approx(1 / 6, abs=0.003)


def test_the_panel_is_regular_and_its_seed_determines_it():
    series = Adding(series=7, length=5).read()
    assert (series.names, series.units, series.step) == (("sum", "value", "marker"), ("",) * 3, "s")
    assert [column.role for column in series.columns] == ["target", "past", "past"]
    assert series.starts.tolist() == list(range(0, 42, 6))
    assert series.items.tolist() == list(range(7))
    assert not series.is_single
    assert ErrorGrid().apply(series) is series
    prints = [fingerprint(Adding(series=7, length=5, seed=seed).read()) for seed in (0, 1)]
    assert prints[0] == fingerprint(series) != prints[1]


def test_for_file_reads_its_own_columns(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("datetime,marker,sum,value\n2020-01-01 00:00:00,1,0,0.5\n2020-01-01 00:00:01,0,0.5,0\n")
    source = Adding(series=2, length=3)
    again, own = source.for_file(str(path)).read(), source.read()
    assert (again.columns, again.step) == (own.columns, own.step)
    assert again.values.tolist() == [[0, 0.5, 1], [0.5, 0, 0]]


@pytest.mark.parametrize(("options", "says"), [({"length": 1}, "length=1"), ({"series": 0}, "series=0")])
def test_options_are_checked(options, says):
    with pytest.raises(ConfigurationError, match=says):
        Adding(**options)


def data_of(series: int = 1000, length: int = 12) -> ForecastDataModule:
    return ForecastDataModule(
        source=Adding(series=series, length=length),
        windows=Windows(context=length, horizon=1),
        split=ItemsSplit(),
        scaler=NoScaling(),
    )


def test_a_window_is_a_series():
    data = data_of(series=100)
    prepared = data.prepared
    assert [len(starts) for starts in prepared.starts] == [70, 10, 20]
    assert torch.cat([*prepared.starts]).tolist() == prepared.panel.starts.tolist()
    batch = next(iter(data.loader("validation")))
    assert batch.target[:, 0, 0].numpy() == pytest.approx(batch.past.prod(dim=2).sum(dim=1).numpy(), abs=1e-6)
    assert not batch.history.any()


def test_no_line_through_the_markers_adds():
    prepared = data_of().prepared
    baselines = {
        "last_value": LastValue(),
        "drift": Drift(),
        "mean": Mean(),
        "ridge": Ridge(penalty=10.0, inputs=False),
    }
    baselines["with_inputs"] = Ridge(penalty=10.0)
    fit_baselines(baselines, prepared)
    scores = score_baselines(baselines, prepared, "test", {"mse": MSE(spec=prepared.spec)})
    errors = {name: found.overall["mse"] for name, found in scores.items()}
    answers = panel_of(Adding(series=1000, length=12))[:, -1, 0]
    # Earlier sums are all zero: what is left is the mean of the training answers.
    assert errors["with_inputs"] > 0.8 * errors["ridge"]
    assert errors["ridge"] == pytest.approx(np.mean((answers[800:] - answers[:700].mean()) ** 2), rel=1e-6)
    assert errors["last_value"] == errors["drift"] == pytest.approx(np.mean(answers[800:] ** 2), rel=1e-6)
    assert errors["ridge"] < errors["mean"] < errors["last_value"]


@pytest.mark.parametrize("experiment", ["adding_rnn", "adding_lstm"])
def test_the_context_follows_the_length(experiment):
    folders.register()
    config = compose("train", [f"experiment={experiment}", "data.source.length=20", "data.source.series=50"])
    check(config, TrainOptions)
    data = build(config["data"])
    assert (data.spec.context, data.spec.horizon) == (20, 1)
    assert [len(starts) for starts in data.prepared.starts] == [40, 5, 5]
    assert (data.spec.offset, data.spec.scale) == ((0.0,) * 3, (1.0,) * 3)


def test_both_experiments_have_the_same_budget():
    folders.register()
    rnn, lstm = (compose("train", [f"experiment={name}"]) for name in ("adding_rnn", "adding_lstm"))
    for config in (rnn, lstm):
        config["optimizer"].pop("lr")
        config["model"].pop("cell")
    assert rnn == lstm

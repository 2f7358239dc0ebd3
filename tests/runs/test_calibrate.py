"""Calibrated bands from training to forecast: what calibrates, what a checkpoint holds, who uses it."""

import json
import logging

import numpy as np
import pandas as pd
import pytest
import torch
from commands import scratch
from small_data import small_data
from small_tasks import task_of, trainer_of

import recast
from recast.data.panel import Panel, columns_of
from recast.data.prepare.describe import align
from recast.data.prepare.future import future_times, with_steps_ahead
from recast.data.prepare.grid import ErrorGrid
from recast.data.prepare.split import FractionSplit, LastSplit
from recast.data.prepare.storage import stored
from recast.data.prepare.windows import Windows
from recast.data.sources.autoregressive import AR2
from recast.data.sources.frame import FrameSource, FrameTable
from recast.errors import CheckpointError, ConfigurationError
from recast.runs.calibrate import calibrating, divided, set_apart
from recast.runs.checkpoints.checkpoint import read
from recast.runs.checkpoints.io import WholeCheckpointIO
from recast.runs.checkpoints.restore import restore
from recast.runs.configure.compose import compose
from recast.runs.evaluate import evaluate
from recast.runs.load import load
from recast.runs.series_forecast import SeriesForecast
from recast.runs.tasks.forecast import ForecastPlug
from recast.scoring.calibration.adaptive import Adaptive
from recast.scoring.calibration.quantile_regression import QuantileRegression
from recast.scoring.calibration.score_table import ScoreTable
from recast.scoring.calibration.split import Split
from recast.training.checkpoint_format import CALIBRATION, KEY
from recast.types import Forecast

QUICK = (
    *("data.windows.context=12", "data.windows.horizon=3", "data.split.validation=0.3", "model=direct"),
    *("model.cell.hidden_size=4", "trainer.max_epochs=1", "callbacks.progress_bar=null", "callbacks.figures=null"),
    *("logger=none", "baselines=series"),
)

TWO = {"devices": 2, "strategy": "ddp_spawn"}


def loads(rows: int = 400) -> pd.DataFrame:
    """A daily wave and noise, hourly."""
    times = pd.date_range("2024-01-01", periods=rows, freq="h")
    noise = np.random.default_rng(0).normal(size=rows)
    return pd.DataFrame({"when": times, "load": 10 + np.sin(np.arange(rows) * 2 * np.pi / 24) + 0.3 * noise})


def fit(name: str, *words: str) -> recast.Run:
    path = scratch() / "calibrated.csv"
    loads().to_csv(path, index=False)
    data = ["data=csv", f"data.source.path={path}", "data.source.time=when", "data.source.targets=[load]"]
    return recast.fit(overrides=[*data, *QUICK, *words], folder=scratch() / name)


@pytest.fixture(scope="module")
def plain() -> recast.Run:
    return fit("not_calibrated")


@pytest.fixture(scope="module")
def split() -> recast.Run:
    return fit("split", "calibration=split")


def test_coverage_is_that_of_the_band_that_is_shipped():
    done = fit("covered", "model/head=quantile", "calibration=quantile", "metrics.coverage.level=0.8")
    written = json.loads((done.folder / "metrics.json").read_text())
    bands = written["test_bands"]
    # Calibration is timed beside training and test.
    assert set(written["seconds"]) == {"baselines", "fit", "after_fit", "test"}
    assert written["seconds"]["after_fit"] > 0
    assert done.metrics["test"]["coverage"] == pytest.approx(bands["calibrated"]["coverage"]["80"])
    assert bands["calibrated"]["coverage"]["80"] != bands["model"]["coverage"]["80"]


# What calibrates


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9])
def test_windows_that_calibrate_alone_come_last_and_share_no_truth(share):
    data = small_data(source=AR2(rows=600), windows=Windows(context=6, horizon=4))
    before = data.prepared.starts.validation
    first, last = divided(data.prepared, share)
    assert len(last) == round(share * len(before))
    assert first.max() + 6 + 4 <= last.min() + 6
    assert len(before) - len(first) - len(last) == 3
    assert calibrating(Split(share=share), data.prepared).equal(last)
    assert calibrating(Split(), data.prepared).equal(before)


def test_of_many_series_with_a_window_each_some_series_calibrate():
    frame = pd.concat([loads(40).assign(name=f"load {number}") for number in range(12)])
    source = FrameSource(time="when", targets=["load"], id="name")
    data = small_data(source=source, split=LastSplit(validation=4, test=4), windows=Windows(context=6, horizon=4))
    data.read_from(FrameTable(frame, "when", id="name"))
    first, last = divided(data.prepared, 0.5)
    items = [set(data.prepared.panel.items_at(part.numpy()).tolist()) for part in (first, last)]
    assert items == [set(range(1, 12, 2)), set(range(0, 12, 2))]


def test_what_cannot_be_calibrated_is_refused_before_training():
    short = small_data()
    with pytest.raises(ConfigurationError, match=r"calibration=quantile.*forecasts a point.*calibration=split"):
        set_apart(task_of(short, calibration=QuantileRegression()), short)
    with pytest.raises(ConfigurationError, match=r"share=0\.9: 3 of 3 validation windows.*0 choose.*data\.split"):
        set_apart(task_of(short, calibration=Split(share=0.9)), short)
    none = small_data(split=FractionSplit(validation=0.0))
    with pytest.raises(ConfigurationError, match=r"validation part has none.*calibration=none"):
        set_apart(task_of(none, calibration=Split()), none)
    assert set_apart(task_of(short), short) is None
    with pytest.raises(ConfigurationError, match=r"order, but 2 processes.*calibration=split.*trainer\.devices=1"):
        ForecastPlug().before_training({}, task_of(short, calibration=Adaptive()), short, trainer_of(**TWO))


# A run


def test_without_calibration_nothing_changes(plain, split):
    """Weights, scores and point forecasts are equal bit by bit."""
    states = [read(run.folder / "checkpoints" / "best.ckpt") for run in (plain, split)]
    assert all(torch.equal(value, states[1]["state_dict"][name]) for name, value in states[0]["state_dict"].items())
    assert CALIBRATION not in states[0][KEY]
    assert plain.metrics["test"] == split.metrics["test"]
    assert plain.metrics["baselines"] == split.metrics["baselines"]
    assert "test_bands" not in plain.metrics
    frame = plain.forecaster.forecast(loads())
    assert list(frame) == ["when", "load"]
    assert split.forecaster.forecast(loads())["load"].equals(frame["load"])


def test_a_run_scores_its_bands_and_those_of_its_baselines(split):
    bands = split.metrics["test_bands"]
    assert set(bands) == {"calibrated", *split.metrics["baselines"]}
    for found in bands.values():
        assert set(found["coverage"]) == set(found["width"]) == {"50", "80", "90", "95"}
        assert found["coverage"]["80"] == pytest.approx(0.8, abs=0.2)
        assert found["width"]["50"] < found["width"]["95"]
        assert sum(found["pit"]) == pytest.approx(1)
    assert len(bands["calibrated"]["per_horizon"]["width"]["90"]) == 3
    # That of a point is its absolute error: twice the half of it that a good band leaves.
    assert 0.4 < bands["calibrated"]["crps"] / split.metrics["test"]["mae"] < 1


def test_a_forecast_has_the_calibrated_band_at_any_level(split):
    scores = read(split.folder / "checkpoints" / "best.ckpt")[KEY][CALIBRATION]["scores"]
    frame = split.forecaster.forecast(loads(), levels=(0.5, 0.93))
    scale = split.forecaster.spec.target_scale[0]
    for level in (50, 93):
        place = int(np.ceil((len(scores) + 1) * level / 100 - 1e-9)) - 1
        half = scale * scores[place, 0, :, 0].numpy()
        np.testing.assert_allclose(frame[f"load_upper_{level}"], frame["load"] + half, rtol=1e-12)
        np.testing.assert_allclose(frame[f"load_lower_{level}"], frame["load"] - half, rtol=1e-12)
    with pytest.raises(ConfigurationError, match=r"levels=0\.9999: .*more windows that calibrate"):
        split.forecaster.forecast(loads(), levels=(0.9999,))


def test_a_checkpoint_is_scored_with_its_bands(split):
    words = [f"checkpoint={split.folder / 'checkpoints' / 'best.ckpt'}", "baselines=series"]
    found = evaluate(compose("evaluate", words))
    assert json.loads(json.dumps(found.to_dict()["test_bands"])) == split.metrics["test_bands"]


def test_a_checkpoint_that_lacks_its_scores_says_which_one_has_them(split, plain, caplog):
    checkpoints = split.folder / "checkpoints"
    assert CALIBRATION not in read(checkpoints / "last.ckpt")[KEY]
    for use in (load, restore):
        for path in (checkpoints / "best.ckpt", plain.folder / "checkpoints" / "last.ckpt"):
            use(path)
        assert not caplog.records
        use(checkpoints / "last.ckpt")
        assert "lacks the scores of its calibration" in caplog.text
        assert "best.ckpt" in caplog.text
        caplog.clear()


def test_a_checkpoint_with_another_calibration_is_refused(split, tmp_path):
    content = read(split.folder / "checkpoints" / "best.ckpt")
    content[KEY][CALIBRATION] = {"scores": content[KEY][CALIBRATION]["scores"][:, :, :1]}
    WholeCheckpointIO().save_checkpoint(content, tmp_path / "other.ckpt")
    with pytest.raises(CheckpointError, match="do not fit 1 kinds, 3 leads and 1 targets"):
        load(tmp_path / "other.ckpt")
    words = [f"checkpoint={tmp_path / 'other.ckpt'}", "baselines=none"]
    with pytest.raises(CheckpointError, match="do not fit 1 kinds"):
        evaluate(compose("evaluate", words))


def test_a_band_of_the_model_is_corrected_by_windows_that_its_choice_has_not_seen(caplog):
    with caplog.at_level(logging.INFO, logger="recast"):
        run = fit("corrected", "model/head=gaussian", "calibration=quantile", "task.calibration.share=0.5")
    assert "validation windows calibrate alone" in caplog.text
    # 400 rows, 0.3 of them for validation.
    assert run.metrics["windows"]["validation"] < 60
    scores = read(run.folder / "checkpoints" / "best.ckpt")[KEY][CALIBRATION]["scores"]
    assert scores.shape[1:] == (4, 3, 1)
    assert 45 < len(scores) < 60
    assert {"model", "calibrated", "last_value"} <= set(run.metrics["test_bands"])
    frame = run.forecaster.forecast(loads(), levels=(0.5, 0.9))
    assert (frame["load_lower_90"] < frame["load_lower_50"]).all()


def test_an_adaptive_band_follows_the_rows_that_it_is_given():
    run = fit("adaptive", "calibration=adaptive", "task.calibration.rate=0.05")
    assert run.metrics["test_bands"]["calibrated"]["coverage"]["80"] == pytest.approx(0.8, abs=0.08)
    assert isinstance(run.forecaster.calibrated.calibration, Adaptive)
    calm, wild = loads(), loads()
    wild["load"] = 10 + 3 * (wild["load"] - 10)
    wild.loc[len(wild) - 12 :, "load"] = calm["load"].iloc[-12:]
    # The contexts are alike; what came before tells how far off forecasts have been.
    first, second = (run.forecaster.forecast(frame, levels=(0.5,)) for frame in (calm, wild))
    assert first["load"].equals(second["load"])
    widths = [(frame["load_upper_50"] - frame["load_lower_50"]).to_numpy() for frame in (first, second)]
    assert (widths[1] > 1.3 * widths[0]).all()
    again = run.forecaster.forecast(calm, levels=(0.5,))
    pd.testing.assert_frame_equal(again, first)
    # Without rows before the context there is nothing to follow.
    few = run.forecaster.forecast(calm.iloc[-12:], levels=(0.5,))
    assert few["load"].equals(first["load"].reset_index(drop=True))


@pytest.fixture(scope="module")
def adaptive() -> recast.Run:
    return fit("adaptive_unrolled", "calibration=adaptive", "task.calibration.rate=0.05", "model=encoder_decoder")


def test_a_forecast_has_the_band_that_a_test_would_have(adaptive):
    """Of the window after all others, followed as in a test: what is known at its origin, to the last row, counts."""
    forecaster, frame = adaptive.forecaster, loads(130)
    frame.loc[100:, "load"] *= 3.0
    found = forecaster.forecast(frame, levels=(0.8,))
    spec, model, calibrated = forecaster.spec, forecaster.model, forecaster.calibrated
    context, horizon = spec.context, spec.horizon
    # Three more rows, whose values nothing may depend on.
    longer = pd.concat([frame, loads(133).iloc[130:]], ignore_index=True)
    source = FrameSource(time="when", targets=["load"])
    panel = align(ErrorGrid().apply(source.for_table(FrameTable(longer, "when")).with_step("h").read()), spec)
    starts = torch.arange(130 - context + 1)
    batch = stored(panel, spec).windows(starts, context, horizon)
    affine = batch.affine(
        *(torch.tensor(each, dtype=torch.float64) for each in (spec.target_offset, spec.target_scale))
    )
    forecast = model.forecast(batch, samples=1, seed=0).in_unit(*affine)
    calibrated.restart()
    item = torch.zeros_like(starts)
    bands = calibrated.follow(forecast, affine[1], batch.truth, observed=None, origin=starts + context - 1, item=item)
    for end, values in zip(("lower", "upper"), bands.interval(0.8), strict=True):
        np.testing.assert_allclose(found[f"load_{end}_80"], values[-1, :, 0].numpy(), rtol=1e-5)
    # The last rows count: without following them the band is another.
    frame.loc[129, "load"] += 9
    calibrated.restart()
    changed = forecaster.forecast(frame, levels=(0.8,))
    widths = [(each["load_upper_80"] - each["load_lower_80"])[0] for each in (found, changed)]
    assert widths[0] != widths[1]


def test_a_shorter_forecast_does_not_depend_on_those_before(adaptive):
    forecaster = adaptive.forecaster
    first = forecaster.forecast(loads(), levels=(0.8,), horizon=2)
    wild = loads()
    wild["load"] = 10 + 5 * (wild["load"] - 10)
    forecaster.forecast(wild, levels=(0.8,))
    pd.testing.assert_frame_equal(forecaster.forecast(loads(), levels=(0.8,), horizon=2), first)


def test_a_longer_forecast_has_no_band_and_says_how_to_go_without(adaptive):
    forecaster = adaptive.forecaster
    with pytest.raises(ConfigurationError, match=r"horizon=5: bands were calibrated for 3 steps.*levels=\[\]"):
        forecaster.forecast(loads(), horizon=5)
    found = forecaster.forecast(loads(), levels=[], horizon=5)
    assert list(found) == ["when", "load"]
    np.testing.assert_allclose(found["load"][:3], forecaster.forecast(loads(), levels=[])["load"], rtol=1e-5)


def test_a_band_that_is_not_known_is_empty_in_a_file(caplog):
    frame = loads(40).assign(wind=1.0)
    panel = FrameSource(time="when", targets=["load", "wind"]).for_table(FrameTable(frame, "when")).read()
    mean, scores = torch.zeros(1, 2, 2, dtype=torch.float64), torch.rand(40, 1, 2, 2, dtype=torch.float64)
    scores[3:, ..., 1] = torch.nan
    band = Split().band(ScoreTable.of(scores), Forecast(mean), torch.ones(2, dtype=torch.float64))
    found = SeriesForecast(panel, future_times(panel, "h", 2), band, "when", remedy="train with more windows")
    text = found.text([0.5, 0.9]).splitlines()
    assert text[0].split(",")[-2:] == ["wind_lower_90", "wind_upper_90"]
    assert text[1].endswith(",,")
    assert text[1].count(",,") == 1
    assert caplog.text.count("no interval of 90 % of wind at some steps") == 1


def test_the_rows_that_are_followed_come_after_the_last_gap_of_each_series():
    """Two series of 9 and 6 rows, the first in pieces of 4 and 5; two steps after the end of each."""
    values = np.arange(15.0).reshape(-1, 1)
    times = np.datetime64("2024-01-01", "ns") + np.arange(15) * np.timedelta64(1, "h")
    columns = columns_of(targets=["load"])
    panel = Panel(columns, values, np.array([0, 4, 9]), "table", times, "h", items=np.array([0, 0, 1]))
    ahead = Panel(
        *(columns, np.array([[6.0], [7], [8], [100], [101], [12], [13], [14], [200], [201]]), np.array([0, 5])),
        *("table", np.concatenate([times[6:9], times[9:11], times[12:15], times[13:15]]), "h"),
        items=np.array([0, 1]),
    )
    whole = with_steps_ahead(panel, ahead, 3, 100)
    assert whole.values[:, 0].tolist() == [*range(4, 9), 100, 101, *range(9, 15), 200, 201]
    assert whole.pieces == [(0, 7), (7, 15)]
    assert (whole.clock[:5] == times[4:9]).all()
    last = with_steps_ahead(panel, ahead, 3, 4)
    assert last.values[:, 0].tolist() == [*range(5, 9), 100, 101, *range(11, 15), 200, 201]

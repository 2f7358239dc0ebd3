"""The errors of each forecast origin, the forecasts shown by rank, and what the best state was chosen by."""

import math
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import pytest
import torch
from commands import QUICK, metrics_of, run, scratch, shared_run, strict_json, trained
from small_data import small_data
from synthetic import spec_of

from recast.data.datamodule import ForecastDataModule
from recast.data.prepare.split import ItemsSplit
from recast.data.prepare.windows import Windows
from recast.data.sources.autoregressive import AR2
from recast.data.sources.sines import TwoSines
from recast.nn.cells.gru import GRU
from recast.nn.heads.gaussian import Gaussian
from recast.nn.heads.point import Point
from recast.nn.models.encoder_decoder import EncoderDecoder
from recast.nn.schedules import Never
from recast.runs.calibrate import calibrate
from recast.runs.per_origin import iso_stamps, per_origin_bands
from recast.runs.ranked_forecasts import ranked_forecasts, ranks
from recast.runs.results import Results
from recast.runs.tasks.forecast import ForecastPlug
from recast.scoring.baselines.naive import LastValue, Mean
from recast.scoring.calibration.split import Split
from recast.scoring.metrics.band_scores import Hits
from recast.scoring.metrics.mae import MAE
from recast.scoring.metrics.mse import MSE
from recast.scoring.metrics.origin_errors import OriginErrors
from recast.training.callbacks.windows_to_show import forecasts_by
from recast.training.task import ForecastTask
from recast.types import Forecast

PLUG = ForecastPlug()
WRITTEN = ["metrics.csv", "metrics.json", "per_horizon.csv", "per_origin.csv", "ranked_forecasts.csv"]


def task_of(data: ForecastDataModule, head: Any = None) -> ForecastTask:
    torch.manual_seed(3)
    cell = partial(GRU, hidden_size=5)
    model = EncoderDecoder(spec=data.spec, cell=cell, head=head or Point(), schedule=Never())
    return ForecastTask(model=model, samples=20)


def scored(data: ForecastDataModule, task: ForecastTask, part: str = "test", **options: Any) -> Results:
    """The model untrained, two baselines beside it."""
    baselines = {"last_value": LastValue(), "mean": Mean()}
    PLUG.fit_baselines(baselines, data)
    trainer = pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )
    PLUG.test(trainer, task, data, part)
    scores = PLUG.score_baselines(baselines, task, data, part)
    return PLUG.results(task, data, part, baselines=scores, seconds={}, facts={})


# One window's errors


def test_errors_of_a_window_are_means_over_leads_and_targets():
    rng = np.random.default_rng(0)
    forecast, truth = rng.normal(size=(2, 9, 4, 3)) + 1000
    starts = rng.permutation(np.arange(0, 90, 10))
    errors = OriginErrors()
    for batch in (slice(0, 4), slice(4, 9)):
        errors.update(*(torch.from_numpy(values[batch]) for values in (starts, forecast, truth)))
    found, order = errors.of(np.sort(starts)), np.argsort(starts)
    np.testing.assert_allclose(found["mse"], np.mean((forecast - truth) ** 2, axis=(1, 2))[order], rtol=1e-14)
    np.testing.assert_allclose(found["mae"], np.mean(np.abs(forecast - truth), axis=(1, 2))[order], rtol=1e-14)


@pytest.mark.parametrize(("name", "metric"), [("mse", MSE), ("mae", MAE)])
def test_their_mean_is_the_metric(name, metric):
    spec = spec_of(targets=2, context=3, horizon=5)
    torch.manual_seed(0)
    errors, whole = OriginErrors(), metric(spec=spec)
    for first in range(0, 300, 70):
        forecast, truth = torch.randn(2, 70, 5, 2, dtype=torch.float64) * 10 ** torch.linspace(-3, 3, 2)
        errors.update(torch.arange(first, first + 70), forecast, truth)
        whole.update(Forecast(forecast), truth)
    assert errors.of(np.arange(350))[name].mean() == pytest.approx(whole.compute().item(), rel=1e-12)


def test_windows_that_were_not_seen_have_no_error():
    errors = OriginErrors()
    assert np.isnan(errors.of(np.arange(3))["mse"]).all()
    errors.update(torch.tensor([7]), torch.ones(1, 2, 1), torch.zeros(1, 2, 1))
    np.testing.assert_array_equal(errors.of(np.array([5, 7, 8]))["mae"], [math.nan, 1.0, math.nan])
    errors.reset()
    assert np.isnan(errors.of(np.arange(3))["mae"]).all()


PROCESS = """
import sys
import numpy as np, torch
from recast.scoring.metrics.band_scores import BandScores
from recast.scoring.metrics.origin_errors import OriginErrors
from recast.types import Forecast
rank, folder, *shares = sys.argv[1:]
torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=int(rank), world_size=2)
errors, bands = OriginErrors(), BandScores(horizon=3, targets=1)
for windows in map(int, shares):
    errors.reset()
    bands.reset()
    for batch in torch.arange(windows)[int(rank) :: 2].split(2):
        if len(batch):
            forecast = batch.double()[:, None, None].expand(-1, 3, 1)
            errors.update(10 * batch, forecast, torch.full_like(forecast, -1))
            # Window n hits its first n leads.
            ends = torch.tensor([-1.0, 1.0]).expand(len(batch), 3, 1, 2).movedim(-1, 0)
            truth = 2.0 * (torch.arange(3) >= batch[:, None])[..., None]
            bands.update(10 * batch, Forecast(ends.mean(0), quantiles=ends, levels=(0.1, 0.9)), truth)
    errors.gather(torch.device("cpu"))
    assert errors.starts.tolist() == (10 * np.arange(windows)).tolist()
    np.save(f"{folder}/{windows}-{rank}.npy", errors.of(10 * np.arange(windows))["mae"])
    np.save(f"{folder}/hits-{windows}-{rank}.npy", bands.hits(10 * np.arange(windows)).inside[:, 1])
torch.distributed.destroy_process_group()
"""
SHARES = (7, 6, 1)
"""Windows of an uneven, an even and a share that leaves one process with none."""


@pytest.mark.slow
def test_every_process_has_each_window_once_and_in_order(tmp_path):
    processes = [
        subprocess.Popen([sys.executable, "-c", PROCESS, str(rank), str(tmp_path), *map(str, SHARES)])
        for rank in range(2)
    ]
    assert [process.wait(100) for process in processes] == [0, 0]
    for windows in SHARES:
        for rank in range(2):
            np.testing.assert_array_equal(np.load(tmp_path / f"{windows}-{rank}.npy"), np.arange(windows) + 1)
            hits = np.load(tmp_path / f"hits-{windows}-{rank}.npy")
            np.testing.assert_array_equal(hits, np.minimum(np.arange(windows), 3))


# The table


@pytest.mark.parametrize("head", [Point, Gaussian])
@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_means_over_rows_are_the_overall_metrics(head, part):
    data = small_data()
    results = scored(data, task_of(data, head()), part)
    table = results.per_origin
    assert len(table) == results.windows[part]
    for name, scores in {"model": results.model, **results.baselines}.items():
        for metric in ("mse", "mae"):
            assert table[f"{name}:{metric}"].mean() == pytest.approx(scores.overall[metric], rel=1e-12)


@pytest.mark.parametrize("part", ["validation", "test"])
def test_hits_over_rows_are_the_coverage(part, tmp_path):
    data = small_data()
    task = task_of(data, Gaussian())
    task.calibration_windows = data.prepared.starts.validation
    task.calibration = Split()
    calibrate(task, data, task.calibration_windows)
    results = scored(data, task, part)
    results.write(tmp_path)
    table = pd.read_csv(tmp_path / "per_origin_bands.csv")
    assert table[["origin", "row"]].equals(results.per_origin[["origin", "row"]])
    assert set(results.bands) == {"model", "calibrated", "last_value", "mean"}
    unknown = 0
    for name, found in results.bands.items():
        for level, coverage in found["coverage"].items():
            if math.isnan(coverage):
                assert f"{name}:{level}" not in table
                unknown += 1
            else:
                assert table[f"{name}:{level}"].sum() / table["truths"].sum() == pytest.approx(coverage, rel=1e-12)
    # With three windows that calibrate 75 % is the widest band, with 20 samples 19/21.
    assert unknown == 3 * 3 + 1


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_each_row_holds_the_error_from_its_own_origin(batch_size):
    data = small_data(evaluation_batch_size=batch_size)
    task = task_of(data)
    table = scored(data, task).per_origin
    assert list(table) == [
        *("origin", "row", "model:mse", "model:mae"),
        *("last_value:mse", "last_value:mae", "mean:mse", "mean:mae"),
    ]
    series, spec = data.prepared.panel, data.spec
    values, loader = series.values[:, 0], data.loader("test")
    assert len(table) == 15
    for (_, row), start in zip(table.iterrows(), loader.order.items.tolist(), strict=True):
        origin = start + spec.context - 1
        assert row["row"] == origin
        assert np.datetime64(row["origin"]) == series.times[origin]
        truth = values[origin + 1 : origin + 1 + spec.horizon]
        assert row["last_value:mae"] == pytest.approx(np.abs(values[origin] - truth).mean(), rel=1e-12)
        forecast = (
            task.eval()
            .forecast(loader.storage.windows(torch.tensor([start]), loader.context, loader.horizon))
            .mean.numpy()[0, :, 0]
        )
        assert row["model:mse"] == pytest.approx(np.mean((forecast - truth) ** 2), rel=1e-4)


def test_a_second_test_does_not_add_to_the_first():
    data = small_data()
    task = task_of(data)
    first, second = scored(data, task).per_origin, scored(data, task).per_origin
    pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_windows_that_the_trainer_leaves_out_count_for_nobody(caplog):
    """The baselines' scores are those on the windows that the model was scored on, 2 batches of 4 of the 15 windows."""
    data = small_data()
    with caplog.at_level("INFO"):
        results = scored(data, task_of(data), limit_test_batches=2)
    assert "scored on 8 of 15 test windows, the model as the baselines (trainer.limit_test_batches=2)" in caplog.text
    table, every = results.per_origin, scored(data, task_of(data)).per_origin
    assert table["row"].tolist() == every["row"].tolist()[:8]
    pd.testing.assert_frame_equal(table, every[:8], check_exact=False, rtol=1e-6)
    for name, scores in {"model": results.model, **results.baselines}.items():
        assert scores.overall["mse"] == pytest.approx(table[f"{name}:mse"].mean(), rel=1e-12)
        assert scores.overall["mse"] != pytest.approx(every[f"{name}:mse"].mean(), rel=0.01)
    assert set(results.ranked_forecasts["origin"]) <= set(table["origin"])
    (shown,) = results.tables()
    assert shown.title == "test: 8 of 15 windows, all leads"
    assert results.to_dict()["scored"] == {"test": 8}
    assert results.to_dict()["windows"]["test"] == 15


def test_all_windows_are_no_limit():
    data = small_data()
    results = scored(data, task_of(data))
    assert results.tables()[0].title == "test: 15 windows, all leads"
    assert results.to_dict()["scored"] == {"test": 15}


def test_a_trainer_that_tests_nothing_scores_nobody(tmp_path):
    data = small_data()
    results = scored(data, task_of(data), limit_test_batches=0)
    assert len(results.per_origin) == 0
    results.write(tmp_path)
    written = strict_json(tmp_path / "metrics.json")
    assert written["scored"] == {"test": 0}
    assert {written["test"]["mse"], *(scores["mse"] for scores in written["baselines"].values())} == {None}


@pytest.mark.parametrize(("limit", "windows"), [(1, 4), (2, 8), (0.5, 4), (1.0, 12), (0, 0)])
def test_curves_of_baselines_in_training_are_on_the_windows_of_the_validation(limit, windows):
    data = small_data(source=AR2(rows=210), evaluation_batch_size=4)
    assert len(data.items("validation")) == 12
    task, baseline = task_of(data), LastValue()
    PLUG.fit_baselines({"last": baseline}, data)
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, limit_val_batches=limit)
    PLUG.before_training({"last": baseline}, task, data, trainer)
    starts = data.items("validation")[:windows].numpy()
    values = data.prepared.panel.targets[:, 0]
    assert set(task.references) == ({"last"} if windows else set())
    if windows:
        errors = [values[starts + 5 + lead] - values[starts + 5] for lead in range(1, 5)]
        np.testing.assert_allclose(task.references["last"], np.sqrt(np.mean(np.square(errors), axis=1)), rtol=1e-12)


def test_hits_name_the_series_and_count_possible_truths_only_where_they_are_others():
    data = small_data(source=TwoSines(series=30, length=20), split=ItemsSplit(), periods=None)
    windows = len(data.prepared.starts.test)
    truths, known, inside = np.full(windows, 4), np.full((windows, 4), 4), np.full((windows, 4), 3)
    known[:, 3], known[0, 2] = 0, 2
    table = per_origin_bands(data.prepared, "test", {"model": Hits(truths, known, inside)})
    assert list(table) == ["origin", "row", "item", "truths", "model:50", "model:80", "model:90", "model:90:truths"]
    panel = data.prepared.panel
    assert table["item"].tolist() == [panel.ids[item] for item in panel.items_at(table["row"].to_numpy())]
    assert table["model:90:truths"].tolist() == [2] + [4] * (windows - 1)


def test_the_row_tells_the_series_of_a_panel_apart():
    data = small_data(source=TwoSines(series=40, length=20), split=ItemsSplit(), periods=None)
    results = scored(data, task_of(data))
    table, prepared = results.per_origin, data.prepared
    assert table["row"].is_unique
    assert table["row"].is_monotonic_increasing
    assert not table["origin"].is_unique
    values = prepared.panel.values[:, 0]
    expected = [np.abs(values[row] - values[row + 1 : row + 5]).mean() for row in table["row"]]
    np.testing.assert_allclose(table["last_value:mae"], expected, rtol=1e-12)


def stamps(*texts: str) -> np.ndarray:
    return np.array(texts, dtype="datetime64[ns]")


@pytest.mark.parametrize(
    ("given", "timezone", "expected"),
    [
        (["2020-01-01", "2020-01-02"], None, ["2020-01-01", "2020-01-02"]),
        (["2020-01-01", "2020-01-02"], "UTC", ["2020-01-01T00:00Z", "2020-01-02T00:00Z"]),
        (["2020-01-01", "2020-01-01T00:10"], "UTC", ["2020-01-01T00:00Z", "2020-01-01T00:10Z"]),
        (["2020-01-01T00:00:01", "2020-01-01T01"], None, ["2020-01-01T00:00:01", "2020-01-01T01:00:00"]),
        (["2020-01-01T00:00:00.5"], "UTC", ["2020-01-01T00:00:00.500Z"]),
        ([], None, []),
        ([], "UTC", []),
    ],
)
def test_stamps_are_iso_8601(given, timezone, expected):
    found = iso_stamps(stamps(*given), timezone, among=stamps(*given))
    assert found.tolist() == expected
    parsed = pd.to_datetime(found.astype(object))
    assert (parsed.tz is not None) == (timezone is not None and len(given) > 0)
    assert (parsed.tz_localize(None) == pd.DatetimeIndex(stamps(*given))).all()


def test_midnights_of_an_hourly_series_keep_their_hour():
    clock = stamps("2020-01-01") + np.arange(72) * np.timedelta64(1, "h")
    assert iso_stamps(clock[::24], None, among=clock).tolist() == [f"2020-01-0{day}T00:00" for day in (1, 2, 3)]


# Forecasts by rank


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        ([3.0, 1.0, 2.0], (1, 2, 0)),
        ([4.0, 3.0, 2.0, 1.0], (3, 2, 0)),
        ([2.0, 1.0, 1.0, 2.0], (1, 2, 0)),
        ([5.0], (0, 0, 0)),
        ([math.nan, 2.0, math.inf, 1.0], (3, 1, 2)),
    ],
)
def test_ranks_are_smallest_lower_median_and_largest(errors, expected):
    assert ranks(np.array(errors)) == dict(zip(("best", "median", "worst"), expected, strict=True))


@pytest.mark.parametrize("errors", [[], [math.nan, math.nan]])
def test_without_errors_nothing_is_ranked(errors):
    assert ranks(np.array(errors)) == {}
    data = small_data()
    table = ranked_forecasts(forecasts_by(task_of(data), data), data, data.items("test"), np.array(errors), "mse")
    expected = "rank,loss,error,origin,target,lead,time,true,forecast,lower,upper,level"
    assert table.to_csv(index=False).strip() == expected


@pytest.mark.parametrize(("context", "shown"), [(6, 6), (12, 8)])
def test_forecasts_by_rank_are_those_of_the_table(context, shown):
    data = small_data(windows=Windows(context=context, horizon=4, reach_back=True))
    results = scored(data, task_of(data))
    table, series = results.per_origin.set_index("origin"), data.prepared.panel
    errors = table["model:mse"].sort_values()
    ranked = results.ranked_forecasts
    assert ranked["rank"].unique().tolist() == ["best", "median", "worst"]
    for (rank, origin), rows in ranked.groupby(["rank", "origin"]):
        expected = {"best": errors.iloc[0], "median": errors.iloc[(len(errors) - 1) // 2], "worst": errors.iloc[-1]}
        assert table.loc[origin, "model:mse"] == expected[rank]
        assert (rows["error"] == expected[rank]).all()
        assert set(rows["loss"]) == {"mse"}
        assert set(rows["target"]) == {data.spec.names[0]}
        row = int(table.loc[origin, "row"])
        assert rows["lead"].tolist() == list(range(1 - shown, 5))
        span = slice(row + 1 - shown, row + 5)
        assert rows["true"].tolist() == series.values[span, 0].tolist()
        assert (pd.to_datetime(rows["time"]) == series.times[span]).all()
        assert rows.loc[rows["lead"] == 0, "time"].tolist() == [origin]
        ahead = rows[rows["lead"] > 0]
        assert rows[rows["lead"] <= 0]["forecast"].isna().all()
        assert ((ahead["forecast"] - ahead["true"]) ** 2).mean() == pytest.approx(expected[rank], rel=1e-4)
        assert rows[["lower", "upper", "level"]].isna().all(axis=None)


def test_bands_are_quantiles_of_the_samples():
    data = small_data()
    task = task_of(data, Gaussian())
    results = scored(data, task)
    ranked = results.ranked_forecasts
    assert ranked.loc[ranked["lead"] <= 0, ["forecast", "lower", "upper"]].isna().all(axis=None)
    chosen = list(ranks(results.model.per_origin["mse"]).values())
    loader = data.loader("test")
    samples = (
        task.eval()
        .forecast(loader.storage.windows(loader.order.items[chosen], loader.context, loader.horizon))
        .samples.numpy()[..., 0]
    )
    ahead = ranked[ranked["lead"] > 0]
    assert ahead["level"].tolist() == [0.9] * len(ahead)
    lower, upper = np.quantile(samples, [0.05, 0.95], axis=0, method="weibull")
    np.testing.assert_allclose(ahead["lower"], lower.ravel(), rtol=1e-12)
    np.testing.assert_allclose(ahead["upper"], upper.ravel(), rtol=1e-12)
    np.testing.assert_allclose(ahead["forecast"], samples.mean(axis=0).ravel(), rtol=1e-5)


@pytest.mark.slow
def test_the_files_of_fifty_thousand_windows_are_small(tmp_path):
    """Six columns of errors beside origin and row."""
    source = TwoSines(series=25_000, length=20)
    data = small_data(source=source, split=ItemsSplit(), periods=None, evaluation_batch_size=4096)
    results = scored(data, task_of(data))
    table = pd.concat([results.per_origin] * math.ceil(50_000 / len(results.per_origin)))[:50_000]
    Results(**(vars(results) | {"per_origin": table})).write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*WRITTEN, "per_item.csv"])
    # A number that is read back exactly takes up to 24 characters.
    assert 50_000 < (tmp_path / "per_origin.csv").stat().st_size < 8e6


def test_what_is_written_is_read_back_exactly(tmp_path):
    data = small_data()
    results = scored(data, task_of(data))
    results.write(tmp_path)
    for name, table in (("per_origin", results.per_origin), ("ranked_forecasts", results.ranked_forecasts)):
        found = pd.read_csv(tmp_path / f"{name}.csv", dtype=str)
        numbers = table.select_dtypes("float").columns
        assert len(numbers) >= 6
        for column in numbers:
            # By Python: pandas reads some numbers wrong in the last digit.
            read = np.array([float(number) for number in found[column]])
            np.testing.assert_array_equal(read, table[column].to_numpy())


# As a user finds them


def test_files_of_a_run_agree_with_its_metrics():
    folder = shared_run(*QUICK)
    metrics = metrics_of(folder)
    table = pd.read_csv(folder / "per_origin.csv")
    assert len(table) == metrics["windows"]["test"]
    assert table.notna().all(axis=None)
    assert pd.to_datetime(table["origin"]).is_monotonic_increasing
    for name, scores in {"model": metrics["test"], **metrics["baselines"]}.items():
        for metric in ("mse", "mae"):
            assert table[f"{name}:{metric}"].mean() == pytest.approx(scores[metric], rel=1e-8)
    ranked = pd.read_csv(folder / "ranked_forecasts.csv")
    errors = table.set_index("origin")["model:mse"]
    found = {rank: errors[origin] for rank, origin in ranked.groupby("rank")["origin"].first().items()}
    assert found == {"best": errors.min(), "median": errors.quantile(0.5, "lower"), "worst": errors.max()}


def test_evaluating_writes_the_files_of_the_run(tmp_path):
    folder = shared_run(*QUICK)
    done = run("recast-evaluate", f"checkpoint={folder / 'checkpoints' / 'best.ckpt'}", "output=.", cwd=tmp_path)
    assert done.code == 0, done
    assert sorted(path.name for path in tmp_path.iterdir()) == WRITTEN
    ours, theirs = (pd.read_csv(place / "per_origin.csv").set_index("origin") for place in (tmp_path, folder))
    pd.testing.assert_frame_equal(ours[theirs.columns], theirs, check_exact=True)
    assert (tmp_path / "ranked_forecasts.csv").read_bytes() == (folder / "ranked_forecasts.csv").read_bytes()


# What the best state was chosen by


def best_of(folder: Path) -> float:
    callbacks = torch.load(folder / "checkpoints" / "best.ckpt", weights_only=True)["callbacks"]
    return next(state["best_model_score"].item() for name, state in callbacks.items() if "BestCheckpoint" in name)


def test_metrics_say_what_the_best_state_was_chosen_by():
    folder = shared_run(*QUICK)
    chosen = metrics_of(folder)["selection"]
    assert chosen == {"monitor": "mse/validation", "mode": "min", "value": best_of(folder)}
    assert 0 < chosen["value"] < math.inf


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", [("data.split.validation=0",), ("callbacks.best_checkpoint=null",)], ids=["no windows", "no callback"]
)
def test_nothing_is_selected_without_validation(words):
    folder = trained(*QUICK, *words, "trainer.max_epochs=1", cwd=scratch() / "unselected")
    assert metrics_of(folder)["selection"] is None
    assert metrics_of(folder)["checkpoint"] == "checkpoints/last.ckpt"


@pytest.mark.slow
def test_a_finished_run_that_is_resumed_writes_the_same_files(tmp_path):
    words = (*QUICK, "callbacks.best_checkpoint.monitor=mae/validation", "hydra.run.dir=run")
    folder = trained(*words, cwd=tmp_path)
    before = {name: (folder / name).read_bytes() for name in WRITTEN if name != "metrics.json"}
    metrics, progress = metrics_of(folder), strict_json(folder / "progress.json")
    assert metrics["selection"]["monitor"] == "mae/validation"
    (folder / "metrics.json").unlink()
    assert trained(*words, "resume=true", cwd=tmp_path) == folder
    assert metrics_of(folder) == metrics
    assert {name: (folder / name).read_bytes() for name in before} == before
    # Where training came to is not forgotten by a process that only tests.
    assert strict_json(folder / "progress.json") | {"time": ""} == progress | {"time": ""}
    assert progress["step"] == progress["total_steps"] == metrics["steps"]

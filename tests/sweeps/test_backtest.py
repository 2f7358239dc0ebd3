"""Rolling origins: which rows each refit knows and forecasts, how the refits are put together, who reads the result."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from commands import run, scratch

import recast
from recast.cli.backtest import OPTIONS, words
from recast.errors import ConfigurationError
from recast.report.find import find
from recast.report.write import report
from recast.runs.configure.signature import options_of
from recast.runs.forecasts_file import read_forecasts
from recast.sweeps.backtest import Backtest

ROWS, HORIZON, CONTEXT = 500, 6, 24
START, EVERY = "2024-01-15", "2D"
QUICK = (
    *("data=csv", "data.source.time=when", "data.source.targets=[load]", "baselines=series", "calibration=split"),
    *(f"data.windows.context={CONTEXT}", f"data.windows.horizon={HORIZON}", "model.cell.hidden_size=4"),
    *("trainer.max_epochs=1", "callbacks.progress_bar=null", "callbacks.figures=null", "logger=none"),
)


def loads() -> pd.DataFrame:
    """A daily wave and noise, hourly; until 2024-01-21 19:00."""
    times = pd.date_range("2024-01-01", periods=ROWS, freq="h")
    noise = np.random.default_rng(0).normal(size=ROWS)
    return pd.DataFrame({"when": times, "load": 10 + np.sin(np.arange(ROWS) * 2 * np.pi / 24) + 0.3 * noise})


def backtest(*options: str, folder: str) -> Path:
    path = scratch() / "backtest.csv"
    loads().to_csv(path, index=False)
    done = run(
        "recast-backtest",
        *QUICK,
        f"data.source.path={path}",
        f"start={START}",
        f"every={EVERY}",
        *options,
        f"hydra.sweep.dir={scratch() / folder}",
        cwd=scratch(),
    )
    assert done.code == 0, done.err + done.out
    return scratch() / folder


@pytest.fixture(scope="module")
def whole() -> Path:
    return backtest(folder="whole")


def results_of(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text())


def refits_of(folder: Path) -> list[Path]:
    return sorted((folder / "run" / "refits").iterdir())


@pytest.mark.slow
def test_every_origin_is_forecast_once_by_the_refit_before_it(whole):
    refits = refits_of(whole)
    assert [path.name for path in refits] == ["2024-01-15", "2024-01-17", "2024-01-19", "2024-01-21"]
    times = loads()["when"]
    for path, following in zip(refits, [*refits[1:], None], strict=True):
        first = read_forecasts(path)["model"]["start"] + CONTEXT  # the first row forecast
        until = times.searchsorted(pd.Timestamp(following.name)) if following else ROWS - HORIZON + 1
        assert first.tolist() == list(range(times.searchsorted(pd.Timestamp(path.name)), until))
        parts = json.loads((path / "provenance.json").read_text())["data"]["parts"]
        assert parts["train"][0] == 0
        assert parts["validation"][1] == parts["test"][0] == first[0]


@pytest.mark.slow
def test_no_refit_is_left_without_an_origin_before_the_end():
    # The third date lies before the end, but no forecast from there does.
    folder = backtest("end=2024-01-19 05:00", "baselines=none", folder="short")
    refits = refits_of(folder)
    assert [path.name for path in refits] == ["2024-01-15", "2024-01-17"]
    last = read_forecasts(refits[-1])["model"]["start"][-1] + CONTEXT + HORIZON
    assert loads()["when"][last - 1] < pd.Timestamp("2024-01-19 05:00")


@pytest.mark.slow
def test_the_whole_is_scored_as_one_run(whole):
    found, refits = results_of(whole / "run"), [results_of(path) for path in refits_of(whole)]
    counts = [refit["scored"]["test"] for refit in refits]
    assert found["scored"]["test"] == sum(counts)
    for name in ("mse", "mae"):
        expected = np.average([refit["test"][name] for refit in refits], weights=counts)
        assert found["test"][name] == pytest.approx(expected, rel=1e-9)
        for baseline in refits[0]["baselines"]:
            expected = np.average([refit["baselines"][baseline][name] for refit in refits], weights=counts)
            assert found["baselines"][baseline][name] == pytest.approx(expected, rel=1e-9)
    for band in ("calibrated", "ridge"):
        coverage, width = (
            np.average([refit["test_bands"][band][part]["80"] for refit in refits], weights=counts)
            for part in ("coverage", "width")
        )
        assert found["test_bands"][band]["coverage"]["80"] == pytest.approx(coverage, abs=1e-9)
        assert found["test_bands"][band]["width"]["80"] == pytest.approx(width, rel=1e-6)
    assert found["steps"] == sum(refit["steps"] for refit in refits)
    assert found["backtest"]["refits"] == [path.name for path in refits_of(whole)]


@pytest.mark.slow
def test_the_table_of_forecasts_has_the_truth_beside_them(whole):
    table = pd.read_csv(whole / "run" / "forecasts.csv", parse_dates=["origin", "time"])
    truth = loads().set_index("when")["load"]
    np.testing.assert_allclose(table["true"], truth[table["time"]])
    assert ((table["time"] - table["origin"]) == pd.to_timedelta(table["lead"], unit="h")).all()
    scored = results_of(whole / "run")
    expected = {"model": scored["test"]["mse"], "ridge": scored["baselines"]["ridge"]["mse"]}
    for name, mse in expected.items():
        assert ((table[name] - table["true"]) ** 2).mean() == pytest.approx(mse, rel=1e-6)


@pytest.mark.slow
def test_best_and_worst_forecasts_are_those_of_all_refits(whole):
    ranked = pd.read_csv(whole / "run" / "ranked_forecasts.csv", parse_dates=["origin"])
    errors = pd.read_csv(whole / "run" / "per_origin.csv", parse_dates=["origin"]).set_index("origin")["model:mse"]
    for rank, error in (("best", errors.min()), ("worst", errors.max())):
        rows = ranked[ranked["rank"] == rank]
        assert rows["error"].unique() == pytest.approx([error])
        assert errors[rows["origin"].iloc[0]] == error
        ahead = rows[rows["lead"] > 0]
        assert ((ahead["true"] - ahead["forecast"]) ** 2).mean() == pytest.approx(error)
        assert (ahead["lower"] < ahead["upper"]).all()
    for name in ("test_forecasts", "test_error_per_lead"):
        assert (whole / "run" / "figures" / f"{name}.png").stat().st_size


@pytest.mark.slow
def test_report_and_forecaster_read_it_as_a_run(whole, tmp_path):
    assert [place.folder for place in find([whole]).places] == [whole / "run"]
    report([whole], tmp_path)
    page = (tmp_path / "report.md").read_text()
    assert "refits/" not in page
    assert "How sure" in page
    forecast = recast.load(whole / "run").forecast(loads())
    last = recast.load(refits_of(whole)[-1]).forecast(loads())
    pd.testing.assert_frame_equal(forecast, last)


@pytest.mark.slow
def test_points_are_not_scored_as_distributions(whole):
    written = results_of(whole / "run")
    assert not {"crps", "pinball"} & {*written["test"], *written["baselines"]["ridge"]}
    assert written["test_bands"]["calibrated"]["crps"] < written["test"]["mae"]


@pytest.mark.slow
def test_a_backtest_is_no_member_of_an_ensemble(whole):
    done = run("recast-ensemble", str(whole / "run"), str(whole / "run"), "--output", str(scratch() / "e"), cwd=whole)
    assert done.code == 2
    assert "run: a backtest, whose forecasts are those of several networks" in done.err
    assert not (scratch() / "e").exists()


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("resume=true",)], ids=["again", "resume=true"])
def test_the_same_command_again_trains_nothing(options, whole):
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("refits/*/metrics.json")}
    written = results_of(whole / "run")
    backtest(*options, folder="whole")
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("refits/*/metrics.json")} == before
    assert [path.name for path in whole.iterdir() if path.is_dir()] == ["run"]
    assert results_of(whole / "run") == written


@pytest.mark.slow
def test_refits_may_go_on_from_the_weights_before_on_a_sliding_window():
    folder = backtest(
        *("weights=previous", "later=[optimizer.lr=0.0001]", "span=10D", "validation=2D", "seed=0,1"), folder="previous"
    )
    for seed in (0, 1):
        place = folder / f"seed-{seed}"
        refits = sorted((place / "refits").iterdir())
        written = [results_of(path) for path in refits]
        assert "init" not in written[0]
        for before, found in zip(refits, written[1:], strict=False):
            assert found["init"]["checkpoint"].startswith(str(before.resolve()))
            assert found["init"]["keeps"] == ["scaling"]
        splits = [yaml.safe_load((path / "config.yaml").read_text())["data"]["split"] for path in refits]
        assert [split["begin"][:10] for split in splits] == ["2024-01-05", "2024-01-07", "2024-01-09", "2024-01-11"]
        assert [split["validation"][:10] for split in splits] == [
            "2024-01-13",
            "2024-01-15",
            "2024-01-17",
            "2024-01-19",
        ]
        rates = [yaml.safe_load((path / "config.yaml").read_text())["optimizer"]["lr"] for path in refits]
        assert rates[1:] == [0.0001] * 3
        assert rates[0] != 0.0001
        assert results_of(place)["seed"] == seed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": "soon", "every": "7D"}, r"start=soon: no date such as"),
        ({"start": "2024-01-01", "every": "often"}, r"every=often: no length of time such as 7D"),
        ({"start": "2024-01-01", "every": "-7D"}, r"every=-7D: expected a positive length"),
        ({"start": "2024-01-01", "every": "7D", "end": "2023-01-01"}, r"end=2023-01-01: it is not after start"),
        ({"start": "2024-01-01", "every": "7D", "validation": 1.5}, r"validation=1\.5: "),
        ({"start": "2024-01-01", "every": "7D", "span": "0D"}, r"span=0D: expected a positive length"),
    ],
)
def test_what_is_no_backtest_is_refused(options, message):
    with pytest.raises(ConfigurationError, match=message):
        Backtest(**options)


def test_its_dates_are_required(tmp_path):
    done = run("recast-backtest", *QUICK, "every=2D", cwd=tmp_path)
    assert done.code == 2
    assert "needs the date of its first refit and how often the model is refitted" in done.err
    assert not list(tmp_path.iterdir())


def test_short_words_stand_for_options_of_the_sweeper():
    assert set(OPTIONS) == set(options_of(Backtest)) - {"params"}
    assert words(["start=2024-01-01", "seed=0,1"])[-2:] == ["hydra.sweeper.start=2024-01-01", "seed=0,1"]

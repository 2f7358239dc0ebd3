"""recast-evaluate and recast-forecast: a checkpoint put to use, away from its run."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import QUICK, Done, load, metrics_of, run, scratch, shared_run, strict_json, trained
from PIL import Image

CONTEXT, HORIZON = 48, 12
SMALL = [option for option in QUICK if not option.startswith("data")]


def tide_table(rows: int, *, seed: int = 0) -> pd.DataFrame:
    times = pd.date_range("2020-01-01", periods=rows, freq="10min", tz="UTC")
    noise = np.random.default_rng(seed).normal(size=rows)
    level = 0.8 + 0.4 * np.sin(2 * np.pi * np.arange(rows) / 74.5) + 0.02 * noise
    return pd.DataFrame({"datetime": times, "ssh": level.round(3)})


@pytest.fixture(scope="session")
def files() -> Path:
    """A folder with data files and without any configuration."""
    folder = scratch() / "files"
    folder.mkdir(exist_ok=True)
    tide_table(700).to_csv(folder / "gauge.csv", index=False)
    tide_table(900, seed=1).to_csv(folder / "later.csv", index=False)
    table = tide_table(300)
    table.drop(index=range(270, 280)).to_csv(folder / "gap.csv", index=False)
    table.drop(index=range(200, 210)).to_csv(folder / "early_gap.csv", index=False)
    table.rename(columns={"ssh": "level"}).to_csv(folder / "renamed.csv", index=False)
    table.tail(CONTEXT - 1).to_csv(folder / "short.csv", index=False)
    table.tail(CONTEXT).to_csv(folder / "just.csv", index=False)
    tide_table(1800).iloc[::6].to_csv(folder / "hourly.csv", index=False)
    days = pd.bdate_range("2019-01-01", periods=300)
    price = 50 * np.exp(np.cumsum(0.01 * np.random.default_rng(0).normal(size=300)))
    bars = {"Date": days.date, **dict.fromkeys(("Open", "High", "Low", "Close"), price.round(2)), "Volume": 1}
    pd.DataFrame(bars).to_csv(folder / "stock.csv", index=False)
    return folder


@pytest.fixture(scope="session")
def gauge(files) -> Path:
    """A run on gauge.csv with a Gaussian head."""
    sizes = [f"data.windows.context={CONTEXT}", f"data.windows.horizon={HORIZON}", "data.windows.reach_back=true"]
    source = ["data=ssh", f"data.source.path={files / 'gauge.csv'}", "baselines=series"]
    return trained(*SMALL, *source, *sizes, "model/head=gaussian", cwd=scratch() / "gauge")


@pytest.fixture(scope="session")
def moved(gauge) -> Path:
    """The checkpoint alone, elsewhere."""
    folder = scratch() / "moved"
    folder.mkdir(exist_ok=True)
    return Path(shutil.copy(gauge / "checkpoints" / "best.ckpt", folder / "model.ckpt"))


def evaluate(*options: object, cwd: Path) -> Done:
    return run("recast-evaluate", *options, cwd=cwd)


def forecast(checkpoint: Path, *options: object, cwd: Path) -> Done:
    return run("recast-forecast", f"checkpoint={checkpoint}", *options, cwd=cwd)


def assert_refused(done: Done, says: str, code: int = 2) -> None:
    assert done.code == code, done
    assert says in done.err
    assert done.err.startswith("recast: ")
    assert "Traceback" not in done.err


def test_evaluating_the_test_part_gives_the_scores_of_the_run(gauge, moved, tmp_path):
    done = evaluate(f"checkpoint={moved}", "output=results", cwd=tmp_path)
    assert done.code == 0, done
    assert done.last_line == "results"
    ours, theirs = strict_json(tmp_path / "results" / "metrics.json"), metrics_of(gauge)
    for part in ("windows", "unit", "test", "test_per_horizon", "baselines", "skill"):
        assert ours[part] == theirs[part], part
    written = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    tables = ["metrics.csv", "metrics.json", "per_horizon.csv", "per_origin.csv", "per_origin_bands.csv"]
    assert written == [*tables, "ranked_forecasts.csv"]


@pytest.mark.parametrize("size", [1, 7, pytest.param(1000, marks=pytest.mark.slow)])
def test_the_batch_size_changes_nothing_but_the_last_digits(size, tmp_path):
    run_folder = shared_run(*QUICK)
    checkpoint = f"checkpoint={run_folder / 'checkpoints' / 'best.ckpt'}"
    assert evaluate(checkpoint, f"batch_size={size}", "output=.", cwd=tmp_path).code == 0
    ours, theirs = strict_json(tmp_path / "metrics.json")["test"], metrics_of(run_folder)["test"]
    assert ours == pytest.approx(theirs, rel=1e-5)


def test_the_validation_part_is_what_chose_the_best_checkpoint(tmp_path):
    checkpoint = shared_run(*QUICK) / "checkpoints" / "best.ckpt"
    import torch

    callbacks = torch.load(checkpoint, weights_only=True)["callbacks"]
    (best,) = [state["best_model_score"] for name, state in callbacks.items() if "BestCheckpoint" in name]
    assert evaluate(f"checkpoint={checkpoint}", "split=validation", "output=.", cwd=tmp_path).code == 0
    assert strict_json(tmp_path / "metrics.json")["validation"]["mse"] == pytest.approx(best.item(), rel=1e-5)


def test_the_training_part_and_no_baselines(tmp_path):
    checkpoint = shared_run(*QUICK) / "checkpoints" / "best.ckpt"
    done = evaluate(f"checkpoint={checkpoint}", "split=train", "baselines=none", "output=.", cwd=tmp_path)
    assert done.code == 0, done
    results = strict_json(tmp_path / "metrics.json")
    assert results["baselines"] == {}
    assert results["train"]["mse"] > 0
    assert f"train: {results['windows']['train']} windows" in done.out


@pytest.mark.slow
def test_another_file_of_the_same_kind(files, gauge, moved, tmp_path):
    done = evaluate(f"checkpoint={moved}", f"path={files / 'later.csv'}", "output=.", cwd=tmp_path)
    assert done.code == 0, done
    results = strict_json(tmp_path / "metrics.json")
    assert results["windows"]["test"] > metrics_of(gauge)["windows"]["test"]
    assert results["test"]["mse"] != metrics_of(gauge)["test"]["mse"]
    # The same file under another name: the same scores, under the scaling of the training.
    shutil.copy(files / "gauge.csv", tmp_path / "copy.csv")
    assert evaluate(f"checkpoint={moved}", "path=copy.csv", "output=copy", cwd=tmp_path).code == 0
    assert strict_json(tmp_path / "copy" / "metrics.json")["test"] == metrics_of(gauge)["test"]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["path=renamed.csv"], "no column 'ssh'"),
        (["path=hourly.csv"], "the step of its rows is h (299 of 299 differences), but the model was trained on 10min"),
        (["path=none.csv"], "no such file"),
        (["split=tset"], "split=tset: input should be 'train', 'validation' or 'test'"),
        (["batch_size=0"], "batch_size=0"),
        (["spilt=test"], "did you mean split"),
    ],
)
def test_evaluate_refuses(options, says, files, moved):
    assert_refused(evaluate(f"checkpoint={moved}", *options, cwd=files), says)


def test_evaluate_needs_a_checkpoint(files):
    assert_refused(evaluate(cwd=files), "checkpoint: must be given")
    assert_refused(evaluate("checkpoint=none.ckpt", cwd=files), "none.ckpt: no such checkpoint file")


def test_evaluate_does_not_overwrite_a_run(gauge, moved):
    before = (gauge / "metrics.json").read_bytes()
    assert_refused(evaluate(f"checkpoint={moved}", f"output={gauge}", cwd=gauge), "holds a run")
    assert (gauge / "metrics.json").read_bytes() == before


@pytest.mark.slow
def test_evaluate_notices_that_the_data_have_changed(tmp_path):
    tide_table(700).to_csv(tmp_path / "gauge.csv", index=False)
    sizes = [f"data.windows.context={CONTEXT}", f"data.windows.horizon={HORIZON}", "data.windows.reach_back=true"]
    options = ["data=ssh", "data.source.path=gauge.csv", "baselines=none", "trainer.max_epochs=1"]
    folder = trained(*SMALL, *options, *sizes, cwd=tmp_path)
    tide_table(710).to_csv(tmp_path / "gauge.csv", index=False)
    checkpoint = f"checkpoint={folder / 'checkpoints' / 'best.ckpt'}"
    assert_refused(evaluate(checkpoint, cwd=tmp_path), "has changed since the training")
    assert evaluate(checkpoint, "path=gauge.csv", cwd=tmp_path).code == 0


def test_a_forecast_continues_the_file(files, moved, tmp_path):
    shutil.copy(files / "later.csv", tmp_path / "new.csv")
    done = forecast(moved, "input=new.csv", "output=folder/forecast.csv", "figure=folder/forecast.png", cwd=tmp_path)
    assert done.code == 0, done
    assert done.out.splitlines()[-2:] == ["folder/forecast.png", "folder/forecast.csv"]
    names = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert names == ["folder/forecast.csv", "folder/forecast.png", "new.csv"]
    table = pd.read_csv(tmp_path / "folder" / "forecast.csv", parse_dates=["datetime"])
    assert table.columns.tolist() == ["datetime", "ssh", "ssh_lower_80", "ssh_upper_80"]
    last = pd.Timestamp(tide_table(900)["datetime"].iloc[-1])
    assert table["datetime"].tolist() == [last + pd.Timedelta(minutes=10 * lead) for lead in range(1, HORIZON + 1)]
    assert str(table["datetime"].dt.tz) == "UTC"
    assert ((table["ssh_lower_80"] < table["ssh"]) & (table["ssh"] < table["ssh_upper_80"])).all()
    assert table["ssh"].between(-1, 3).all()
    assert np.asarray(Image.open(tmp_path / "folder" / "forecast.png").convert("L")).std() > 5


def test_a_wider_level_gives_a_wider_band_and_the_seed_fixes_it(files, moved, tmp_path):
    tables = []
    for seed in (0, 0, 1):
        options = [f"input={files / 'later.csv'}", "output=forecast.csv", "levels=[0.5,0.975]", f"seed={seed}"]
        assert forecast(moved, *options, cwd=tmp_path).code == 0
        tables.append(pd.read_csv(tmp_path / "forecast.csv"))
    first, again, other = tables
    ends = [first[f"ssh_{name}"] for name in ("lower_97.5", "lower_50", "upper_50", "upper_97.5")]
    assert np.all(np.diff(ends, axis=0) > 0)
    assert first.equals(again)
    assert not first["ssh"].equals(other["ssh"])


def test_only_the_last_rows_matter(files, moved, tmp_path):
    for name in ("just.csv", "early_gap.csv"):
        done = forecast(moved, f"input={files / name}", f"output={name}.out", "figure=a.png", cwd=tmp_path)
        assert done.code == 0, done
    first, second = (pd.read_csv(tmp_path / f"{name}.out") for name in ("just.csv", "early_gap.csv"))
    assert first.equals(second)


def test_business_days_follow_a_stock(files, tmp_path):
    options = ["data=stock", f"data.source.path={files / 'stock.csv'}", "data.windows.context=10"]
    folder = trained(*SMALL, *options, "data.windows.horizon=7", cwd=tmp_path / "run")
    checkpoint = folder / "checkpoints" / "best.ckpt"
    done = forecast(checkpoint, f"input={files / 'stock.csv'}", "output=out.csv", "figure=x/pic.png", cwd=tmp_path)
    assert done.code == 0, done
    table = pd.read_csv(tmp_path / "out.csv")
    last = pd.bdate_range("2019-01-01", periods=300)[-1]
    assert table.columns.tolist() == ["Date", "Close"]
    assert table["Date"].tolist() == [str(day.date()) for day in pd.bdate_range(last, periods=8)[1:]]
    assert (tmp_path / "x" / "pic.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["input=gap.csv"], "20 rows after the last gap, which ends at 2020-01-02 22:40"),
        (["input=short.csv"], "47 rows; the model reads the last 48 steps"),
        (["input=renamed.csv"], "no column 'ssh'; the file has 'datetime', 'level'"),
        (["input=stock.csv"], "no column 'datetime'"),
        (["input=none.csv"], "no such file"),
        (["input=gauge.csv", "levels=[1.0]"], "levels=[1.0]: input should be less than 1"),
        (["input=gauge.csv", "level=0.9"], "level: no such option; did you mean levels?"),
        (["input=gauge.csv", "recurrence=fast"], "recurrence=fast: no such choice; it has: default"),
        (["gauge.csv"], "gauge.csv: expected option=value"),
        (["input=gauge.csv", "levels=[0.5"], "levels='[0.5': input should be a valid list"),
        (["input=gauge.csv", "levels.=3"], "levels.=3: cannot be read"),
        (["input=gauge.csv", "horizon=0"], "horizon=0: input should be greater than or equal to 1"),
        (["input=gauge.csv", "output=gauge.csv"], "the same file as input"),
        (["input=gauge.csv", "output=new.png", "figure=new.png"], "figure=new.png: the same file as output"),
        ([], "input: must be given"),
    ],
)
def test_forecast_refuses_and_writes_nothing(options, says, files, moved):
    before = {path: path.read_bytes() for path in files.rglob("*")}
    assert_refused(forecast(moved, "output=new.csv", *options, cwd=files), says)
    assert {path: path.read_bytes() for path in files.rglob("*")} == before


def test_an_output_that_cannot_be_written(files, moved, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for place, code in (("file/out.csv", 2), ("/proc/recast/out.csv", 1)):
        done = forecast(moved, f"input={files / 'gauge.csv'}", f"output={place}", cwd=tmp_path)
        assert_refused(done, place.rpartition("/")[0], code=code)
        done = evaluate(f"checkpoint={moved}", f"output={place}", cwd=tmp_path)
        assert_refused(done, place.rpartition("/")[0], code=code)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_table_is_whole_when_the_terminal_is_narrow(moved, tmp_path):
    done = run("recast-evaluate", f"checkpoint={moved}", cwd=tmp_path, COLUMNS="40")
    assert done.code == 0, done
    assert "…" not in done.out
    assert "last_value" in done.out


# Quantiles of several targets


@pytest.fixture(scope="session")
def quantiles(files) -> Path:
    """A run of two targets with a quantile head, with all pictures."""
    table = tide_table(700)
    table["flow"] = 100 * np.roll(table["ssh"], 5)
    table.to_csv(files / "two.csv", index=False)
    source = ["data=csv", f"data.source.path={files / 'two.csv'}", "data.source.time=datetime"]
    columns = ["data.source.targets=[ssh,flow]"]
    sizes = [f"data.windows.context={CONTEXT}", f"data.windows.horizon={HORIZON}", "baselines=series"]
    small = [option for option in SMALL if option != "callbacks.figures=null"]
    words = [*source, *columns, *sizes, *small, "model/head=quantile", "callbacks=agreement"]
    return trained(*words, cwd=scratch() / "quantiles")


def test_a_quantile_head_is_scored_by_its_quantiles(quantiles):
    metrics = metrics_of(quantiles)
    assert set(metrics["test"]) == set(metrics["metrics"])
    assert {"pinball", "coverage"} <= set(metrics["test"])
    assert "crps" not in metrics["test"]
    assert 0 <= metrics["test"]["coverage"] <= 1
    assert metrics["metrics"]["coverage"] == {"unit": "", "higher_is_better": None, "perfect": 0.9, "mixes": False}
    for scores in metrics["baselines"].values():
        # Evenly spread levels about a point.
        assert scores["pinball"] == pytest.approx(scores["mae"] / 2, rel=1e-9)


def test_ranked_forecasts_hold_both_targets_with_their_bands(quantiles):
    ranked = pd.read_csv(quantiles / "ranked_forecasts.csv")
    ahead = ranked[ranked["lead"] > 0]
    assert ahead.groupby(["rank", "target"]).size().to_dict() == {
        (rank, target): HORIZON for rank in ("best", "median", "worst") for target in ("ssh", "flow")
    }
    assert (ahead["lower"] <= ahead["forecast"]).all()
    assert (ahead["forecast"] <= ahead["upper"]).all()
    np.testing.assert_allclose(ahead["level"], 0.9, rtol=1e-12)
    # Metres and cubic metres a second: ranked by an error without unit.
    assert set(ahead["loss"]) == {"scaled_mse"}
    spec = load(quantiles / "checkpoints" / "best.ckpt")["recast"]["spec"]
    scale = ahead["target"].map(dict(zip(("ssh", "flow"), spec["scale"], strict=False)))
    errors = ((ahead["forecast"] - ahead["true"]) / scale).pow(2).groupby(ahead["rank"]).mean()
    np.testing.assert_allclose(errors, ahead.groupby("rank")["error"].first(), rtol=1e-4)


def test_pictures_of_two_targets_are_drawn(quantiles):
    names = {path.name for path in (quantiles / "figures").glob("*.png")}
    assert {"test_forecasts.png", "validation_forecasts.png", "test_predicted_against_true.png"} <= names
    for name in names:
        assert np.asarray(Image.open(quantiles / "figures" / name).convert("L")).std() > 5


def test_a_quantile_forecast_writes_its_band(files, quantiles, tmp_path):
    checkpoint = quantiles / "checkpoints" / "best.ckpt"
    options = [f"input={files / 'two.csv'}", "output=forecast.csv"]
    done = forecast(checkpoint, *options, "levels=[0.9,0.5]", cwd=tmp_path)
    assert done.code == 0, done
    table = pd.read_csv(tmp_path / "forecast.csv")
    ends = ("lower_90", "upper_90", "lower_50", "upper_50")
    assert table.columns.tolist() == [
        "datetime",
        *(c for n in ("ssh", "flow") for c in (n, *(f"{n}_{e}" for e in ends))),
    ]
    for name in ("ssh", "flow"):
        lower, upper, inner_lower, inner_upper = (table[f"{name}_{end}"] for end in ends)
        assert np.all(np.diff([lower, inner_lower, table[name], inner_upper, upper], axis=0) > 0)
    done = forecast(checkpoint, *options, "levels=[0.95]", cwd=tmp_path)
    assert_refused(done, "levels=0.95: the forecast knows central intervals up to level 0.9; lower it, or train with")

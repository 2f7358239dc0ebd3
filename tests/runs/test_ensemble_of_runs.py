"""One forecaster of several finished runs: what it forecasts and scores, who reads it, what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
import yaml
from commands import run, scratch

import recast
from recast.cli.ensemble import finished, main, parser
from recast.data.sources.frame import FrameTable
from recast.errors import CheckpointError, ConfigurationError, DataError
from recast.nn.ensemble.ensemble import Combine
from recast.report.write import report
from recast.runs.checkpoints.checkpoint import read
from recast.runs.checkpoints.io import WholeCheckpointIO
from recast.runs.checkpoints.restore import restore
from recast.runs.configure.compose import compose
from recast.runs.ensemble import ensemble
from recast.runs.evaluate import evaluate
from recast.runs.members import Member, seeds_of
from recast.runs.restored_forecast import restore_forecaster
from recast.training.checkpoint_format import CALIBRATION, KEY

QUICK = (
    *("data.windows.context=24", "data.windows.horizon=6", "data.split.validation=0.3", "model.cell.hidden_size=4"),
    *("trainer.max_epochs=1", "callbacks.progress_bar=null", "callbacks.figures=null", "logger=none"),
)
FORMS = {
    "gru": ("model=direct", "seed=1"),
    "segment": ("model=segment", "model.segment=6", "model/anchor=ridge", "seed=2", "data.batch_size=16"),
}


def loads(rows: int = 400) -> pd.DataFrame:
    """A daily wave and noise, hourly."""
    times = pd.date_range("2024-01-01", periods=rows, freq="h")
    noise = np.random.default_rng(0).normal(size=rows)
    return pd.DataFrame({"when": times, "load": 10 + np.sin(np.arange(rows) * 2 * np.pi / 24) + 0.3 * noise})


def fit(name: str, *words: str, file: str = "members.csv") -> Path:
    path = scratch() / file
    if not path.exists():
        loads().to_csv(path, index=False)
    data = ["data=csv", f"data.source.path={path}", "data.source.time=when", "data.source.targets=[load]"]
    # NaN, which differs from itself, among the options.
    words = ("calibration=split", "baselines=series", "data.source.missing=[nan]", *words)
    return recast.fit(overrides=[*data, *QUICK, *words], folder=scratch() / name).folder


def results_of(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text())


def of(folders: list[Path], output: Path, combine: str = "mean") -> Path:
    ensemble([(folder, results_of(folder)) for folder in folders], output, combine=combine)
    return output


@pytest.fixture(scope="module")
def members() -> list[Path]:
    return [fit(name, *words) for name, words in FORMS.items()]


@pytest.fixture(scope="module")
def mean(members) -> Path:
    return of(members, scratch() / "mean")


def test_it_forecasts_the_mean_of_its_members(members, mean):
    found = recast.load(mean).forecast(loads(), levels=[0.8])
    each = [recast.load(folder).forecast(loads(), levels=[])["load"] for folder in members]
    np.testing.assert_allclose(found["load"], np.mean(each, axis=0), rtol=1e-6)
    # Calibrated again, on the errors of the mean.
    assert (found["load_lower_80"] < found["load"]).all()
    scores = [read(folder / "checkpoints" / "best.ckpt")[KEY][CALIBRATION]["scores"] for folder in (mean, *members)]
    assert scores[0].shape == scores[1].shape
    assert not scores[0].equal(scores[1])


def test_it_is_scored_as_its_members_are(members, mean):
    found, first = results_of(mean), results_of(members[0])
    assert found["windows"] == first["windows"]
    assert found["metrics"] == first["metrics"]
    # The line that one member corrects stands beside both.
    assert found["baselines"].keys() == first["baselines"].keys() | {"anchor"}
    line = results_of(members[1])["baselines"]["anchor"]["mse"]
    assert found["baselines"]["anchor"]["mse"] == pytest.approx(line, rel=1e-6)
    for name, scores in first["baselines"].items():
        assert found["baselines"][name]["mse"] == pytest.approx(scores["mse"], rel=1e-9)
    assert found["baselines_chosen"] == first["baselines_chosen"]
    assert found["test_bands"]["calibrated"].keys() == first["test_bands"]["calibrated"].keys()
    assert found["ensemble"]["members"] == [str(folder.resolve()) for folder in members]
    assert found["seed"] == "1,2"
    # No squared error of a mean is larger than the mean of the errors (the ambiguity decomposition).
    assert found["test"]["mse"] <= np.mean([results_of(folder)["test"]["mse"] for folder in members])
    origins = [pd.read_csv(folder / "per_origin.csv")["origin"] for folder in (mean, members[0])]
    pd.testing.assert_series_equal(*origins)
    for name in ("config.yaml", "provenance.json", "figures/test_forecasts.png", "per_horizon.csv"):
        assert (mean / name).exists(), name


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [([3, 3], 3), ([10, 9], "9,10"), (["0,12", 2], "0,2,12"), (["0,1", "1,0"], "0,1"), ([None, 4], 4), ([None], None)],
)
def test_its_seeds_are_those_of_all_members(seeds, expected, mean):
    restored = restore_forecaster(mean / "checkpoints" / "best.ckpt")
    assert seeds_of([Member(mean, restored, {"seed": seed}) for seed in seeds]) == expected


@pytest.mark.slow
def test_its_checkpoint_is_scored_and_read_as_any_other(mean, members, tmp_path):
    words = [f"checkpoint={mean / 'checkpoints' / 'best.ckpt'}", "baselines=series"]
    again = json.loads(json.dumps(evaluate(compose("evaluate", words)).to_dict()))
    assert again["test"] == pytest.approx(results_of(mean)["test"], rel=1e-6)
    assert again["test_bands"].keys() == results_of(mean)["test_bands"].keys()
    baseline = recast.load(mean, baseline="best").forecast(loads())
    pd.testing.assert_frame_equal(baseline, recast.load(members[0], baseline="best").forecast(loads()))
    report([mean, *members], tmp_path)
    text = (tmp_path / "report.md").read_text()
    assert "3 runs: 3 finished" in text
    assert "ensemble" in text


def test_weights_are_fitted_on_the_validation_windows_and_kept(members, mean, tmp_path):
    weighted = of(members, tmp_path / "weighted", "weights")
    weights = results_of(weighted)["ensemble"]["weights"]
    assert min(weights) >= 0
    assert sum(weights) == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(restore(weighted / "checkpoints" / "best.ckpt").task.model.weights, weights)

    def validated(folder: Path) -> float:
        words = [f"checkpoint={folder / 'checkpoints' / 'best.ckpt'}", "baselines=none", "split=validation"]
        return evaluate(compose("evaluate", words)).overall["mse"]

    assert validated(weighted) <= validated(mean) * (1 + 1e-6)


@pytest.mark.slow
def test_members_that_unroll_do_so_together(tmp_path):
    decoder = fit("decoder", "model=encoder_decoder", "model/anchor=seasonal", "model.anchor.lags=[24]")
    both = of([decoder, decoder], tmp_path / "both")
    for horizon in (4, 9):
        found, alone = (recast.load(folder).forecast(loads(), levels=[], horizon=horizon) for folder in (both, decoder))
        np.testing.assert_allclose(found["load"], alone["load"], rtol=1e-6)


def changed(folder: Path, place: Path, change: Callable[[dict], None]) -> Path:
    """A copy of a run whose checkpoint says something else of itself."""
    shutil.copytree(folder, place)
    path = place / "checkpoints" / "best.ckpt"
    content = read(path)
    change(content[KEY])
    WholeCheckpointIO().save_checkpoint(content, path)
    return place


def test_members_that_differ_are_refused_by_the_option_that_does(members, tmp_path):
    def horizon(description: dict) -> None:
        description["config"]["data"]["windows"]["horizon"] = 8

    def uncalibrated(description: dict) -> None:
        description["config"]["task"]["calibration"] = None

    def elsewhere(description: dict) -> None:
        description["config"]["data"]["source"]["path"] = str(tmp_path / "copy.csv")

    def other_data(description: dict) -> None:
        elsewhere(description)
        description["fingerprint"] = "0" * 64

    first = members[0]
    for change, message in (
        (horizon, r"horizon: data\.windows\.horizon=8, but .*gru has 6; an ensemble has members of the same data"),
        (uncalibrated, r"uncalibrated: task\.calibration=null, but .*gru has recast"),
        (other_data, r"other_data: data\.source\.path=.*copy\.csv, but .*gru has .*members\.csv"),
    ):
        other = changed(members[1], tmp_path / change.__name__, change)
        with pytest.raises(ConfigurationError, match=message):
            of([first, other], tmp_path / "none")
    # The same file elsewhere is the same data, unless it has changed.
    moved = changed(first, tmp_path / "moved", elsewhere)
    loads(420).to_csv(tmp_path / "copy.csv", index=False)
    with pytest.raises(DataError, match=r"copy\.csv: it has changed since the training of .*moved"):
        of([moved, members[1]], tmp_path / "none")
    with pytest.raises(ConfigurationError, match="two members at least; found 1"):
        of([first], tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_runs_on_a_frame_need_it_again(tmp_path):
    words = {"time": "when", "targets": ["load"], "overrides": [*QUICK, "model=direct", "baselines=none"]}
    alone = recast.fit(loads(), **words, folder=tmp_path / "run").folder
    pair = [(alone, results_of(alone))] * 2
    with pytest.raises(
        DataError, match=r"trained on a frame of a program .* call recast\.runs\.ensemble\.ensemble with"
    ):
        ensemble(pair, tmp_path / "both", combine="mean")
    ensemble(pair, tmp_path / "both", combine="mean", table=FrameTable(loads(), "when"))
    assert results_of(tmp_path / "both")["test"] == pytest.approx(results_of(alone)["test"], rel=1e-6)


def test_a_run_that_does_not_forecast_or_is_not_finished_is_refused(members, tmp_path):
    unfinished = tmp_path / "unfinished"
    shutil.copytree(members[0], unfinished)
    (unfinished / "metrics.json").unlink()
    with pytest.raises(ConfigurationError, match="unfinished: this run is not finished; let it end"):
        finished([unfinished, members[1]])
    # Of a folder of runs the finished ones are taken.
    shutil.copytree(members[1], tmp_path / "whole")
    assert [folder.name for folder, _ in finished([tmp_path])] == ["whole"]
    with pytest.raises(CheckpointError, match="no such checkpoint file"):
        ensemble([(tmp_path, {}), (members[0], {})], tmp_path / "none", combine="mean")


def test_the_command_makes_an_ensemble_of_the_runs_in_a_folder(members, tmp_path, capsys):
    for folder in members:
        shutil.copytree(folder, tmp_path / "sweep" / folder.name)
    (choices,) = (action.choices for action in parser()._actions if action.dest == "combine")
    assert choices == get_args(Combine)
    words = [str(tmp_path / "sweep"), "--combine", "weights", "--output", str(tmp_path / "one")]
    main(words)
    shown = capsys.readouterr().out
    assert "test: 51 windows" in shown
    assert "weights of 2 runs: gru " in shown
    assert shown.rstrip().endswith("one")
    with pytest.raises(SystemExit) as left:
        main(words)
    assert left.value.code == 2
    assert "one: it holds a run, whose results would be lost; give another folder" in capsys.readouterr().err


@pytest.mark.slow
def test_a_sweep_becomes_one_forecaster(tmp_path):
    loads().to_csv(tmp_path / "loads.csv", index=False)
    words = ["data=csv", "data.source.path=loads.csv", "data.source.time=when", "data.source.targets=[load]", *QUICK]
    trained = run("recast-train", "-m", *words, "model=direct", "seed=0,1", "hydra.sweep.dir=sweep", cwd=tmp_path)
    assert trained.code == 0, trained.err
    made = run("recast-ensemble", "sweep", "--output", "one", cwd=tmp_path)
    assert made.code == 0, made.err
    told = yaml.safe_load((tmp_path / "one" / ".hydra" / "overrides.yaml").read_text())
    assert told[0] == "data=csv"
    assert told[-3:] == ["model=ensemble", "model.combine=mean", "model.members=[seed-0,seed-1]"]
    assert not any(word.startswith(("model=direct", "seed")) for word in told)
    words = ["checkpoint=one/checkpoints/best.ckpt", "input=loads.csv", "output=forecast.csv"]
    forecast = run("recast-forecast", *words, cwd=tmp_path)
    assert forecast.code == 0, forecast.err
    assert len(pd.read_csv(tmp_path / "forecast.csv")) == 6

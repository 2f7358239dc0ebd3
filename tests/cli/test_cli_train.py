"""recast-train as a user runs it: from any folder, to a complete run folder."""

import csv
import importlib.metadata
import json
import math
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from commands import QUICK, TIDE, metrics_of, run, scratch, shared_run, shell, strict_json, trained
from PIL import Image

import recast
from recast.runs.configure.folders import run_folder

HORIZON = 12
COMMANDS = ("recast-train", "recast-evaluate", "recast-forecast", "recast-gradients", "recast-options")


@pytest.fixture(scope="session")
def tide() -> Path:
    return shared_run(*TIDE)


@pytest.fixture(scope="session")
def metrics(tide):
    return strict_json(tide / "metrics.json")


def test_the_run_folder_is_complete(tide):
    files = {path.relative_to(tide).as_posix() for path in tide.rglob("*") if path.is_file()}
    assert files >= {
        *("config.yaml", "provenance.json", "metrics.json", "metrics.csv", "per_horizon.csv", "recast-train.log"),
        *("per_origin.csv", "ranked_forecasts.csv", "progress.json"),
        *("checkpoints/best.ckpt", "checkpoints/last.ckpt"),
        *(".hydra/config.yaml", ".hydra/hydra.yaml", ".hydra/overrides.yaml"),
    }
    events = list(tide.glob("events.out.tfevents.*"))
    assert sum(event.stat().st_size for event in events) > 1000
    assert {path.suffix for path in tide.rglob("*") if path.name.startswith(".") and path.is_file()} == set()


def test_pictures_show_something(tide):
    pictures = list((tide / "figures").glob("*.png"))
    assert {path.stem for path in pictures} >= {"test_forecasts", "test_error_per_lead", "validation_forecasts"}
    for path in pictures:
        pixels = np.asarray(Image.open(path).convert("L"))
        assert min(pixels.shape) > 200
        assert pixels.std() > 5, f"{path.name} is blank"


def test_the_log_file_says_what_data_were_read(tide):
    assert "1440 rows every 10min" in (tide / "recast-train.log").read_text()


def test_metrics_json_keeps_its_contract(metrics):
    assert metrics["windows"] == {"train": 703, "validation": 127, "test": 127}
    assert metrics["unit"] == "m"
    assert metrics["seconds"]["fit"] > 0
    assert set(metrics["test"]) >= {"mse", "rmse", "mae", "mase", "smape"}
    assert len(metrics["test_per_horizon"]["rmse"]) == HORIZON
    assert set(metrics["baselines"]) >= {
        *("last_value", "mean", "seasonal", "ridge", "harmonic", "harmonic_ridge"),
    }
    for scores in (metrics["test"], *metrics["baselines"].values()):
        assert all(math.isfinite(value) for value in scores.values())


def test_metrics_agree_among_themselves(metrics):
    test, leads = metrics["test"], metrics["test_per_horizon"]
    assert test["rmse"] ** 2 == pytest.approx(test["mse"], rel=1e-12)
    assert np.mean(leads["mse"]) == pytest.approx(test["mse"], rel=1e-12)
    assert np.mean(leads["mae"]) == pytest.approx(test["mae"], rel=1e-12)
    best = min(scores["mse"] for scores in metrics["baselines"].values())
    assert metrics["skill"]["best"]["overall"] == pytest.approx(1 - test["mse"] / best, rel=1e-12)


def test_tables_hold_the_values_of_metrics_json(tide, metrics):
    with (tide / "metrics.csv").open() as file:
        rows = {row.pop("forecaster"): row for row in csv.DictReader(file)}
    assert set(rows) == {"model", *metrics["baselines"]}
    for name, scores in {"model": metrics["test"], **metrics["baselines"]}.items():
        assert {metric: float(value) for metric, value in rows[name].items()} == scores
    leads = pd.read_csv(tide / "per_horizon.csv", index_col="lead")
    assert leads.index.tolist() == list(range(1, HORIZON + 1))
    assert leads["model:rmse"].tolist() == pytest.approx(metrics["test_per_horizon"]["rmse"], rel=1e-15)
    assert leads["ridge:mse"].tolist() == pytest.approx(metrics["baselines_per_horizon"]["ridge"]["mse"], rel=1e-15)


@pytest.mark.slow
def test_the_printed_table_holds_the_values_of_metrics_json(metrics):
    done = run("recast-train", *TIDE, "trainer.max_epochs=1", cwd=scratch() / "printed")
    folder = scratch() / "printed" / done.last_line
    mse = strict_json(folder / "metrics.json")["test"]["mse"]
    assert re.search(rf"model\W+{mse:.4g}\W", done.out), done.out


def test_provenance_names_versions_commit_and_data(tide):
    facts = strict_json(tide / "provenance.json")
    assert facts["recast"] == recast.__version__
    assert facts["packages"]["torch"] == importlib.metadata.version("torch")
    clone = Path(recast.__file__).parent
    head = subprocess.run(["git", "-C", str(clone), "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    if head.returncode == 0:
        assert facts["commit"]["hash"] == head.stdout.strip()
    assert re.fullmatch(r"[0-9a-f]{64}", facts["data"]["fingerprint"])
    assert facts["data"]["rows"] == 1440
    assert facts["data"]["windows"] == strict_json(tide / "metrics.json")["windows"]


def test_config_yaml_holds_every_option_resolved(tide):
    config = yaml.safe_load((tide / "config.yaml").read_text())
    assert config["model"]["cell"]["hidden_size"] == 8
    assert config["data"]["seed"] == config["seed"] == 0
    assert "${" not in (tide / "config.yaml").read_text()


@pytest.mark.slow
def test_the_same_seed_gives_the_same_numbers_and_another_one_others():
    first, again = shared_run(*QUICK), trained(*QUICK, cwd=scratch() / "again")
    other = trained(*QUICK, "seed=1", cwd=scratch() / "again")
    assert metrics_of(first) == metrics_of(again)
    assert metrics_of(first)["test"] != metrics_of(other)["test"]
    assert metrics_of(first)["baselines"] == metrics_of(other)["baselines"]


def test_processes_that_start_at_the_same_moment_get_folders_of_their_own(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: run_folder(str(tmp_path), False, []), range(400)))
    assert len(set(folders)) == len(folders)


@pytest.mark.slow
def test_runs_never_share_a_folder():
    assert len({trained(*QUICK, "trainer.max_epochs=1", cwd=scratch() / "apart") for _ in range(2)}) == 2


def test_a_run_folder_in_use_is_not_overwritten():
    folder = shared_run(*QUICK)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if ".hydra" not in path.parts}
    done = run("recast-train", *QUICK, f"hydra.run.dir={folder}", cwd=scratch() / "over")
    assert done.code == 2
    assert "holds a run already" in done.err
    after = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if ".hydra" not in path.parts}
    assert after == before


def assert_same_run_in_a_shell(words: tuple[str, ...], cwd: Path) -> None:
    done = shell(*words, *QUICK, cwd=cwd)
    assert done.code == 0, done
    assert done.err == ""
    folder = cwd / done.last_line
    assert folder.resolve().is_relative_to(cwd.resolve())
    assert metrics_of(folder) == metrics_of(shared_run(*QUICK))


@pytest.mark.slow
def test_in_a_shell_from_another_folder(tmp_path):
    assert_same_run_in_a_shell(("recast-train",), tmp_path / "a folder")


@pytest.mark.slow
def test_as_a_module(tmp_path):
    assert_same_run_in_a_shell((sys.executable, "-m", "recast.cli.train"), tmp_path)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_does_not_load_torch(command):
    module = f"recast.cli.{command.removeprefix('recast-')}"
    program = (
        f"import sys, importlib; sys.argv = ['{command}', '--help']\n"
        f"try: importlib.import_module('{module}').main()\n"
        "except SystemExit: pass\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules} & {'torch', 'lightning', 'pandas', 'numpy'}))"
    )
    done = shell(sys.executable, "-c", program, cwd=scratch())
    assert done.last_line == "[]", done
    assert command in done.out


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [COMMANDS[0], *(pytest.param(command, marks=pytest.mark.slow) for command in COMMANDS[1:])]
)
def test_help_is_faster_than_importing_torch(command):
    def seconds(*words: str) -> float:
        started = time.perf_counter()
        assert shell(*words, cwd=scratch()).code == 0
        return time.perf_counter() - started

    # At once, so that what else the machine does falls on both.
    with ThreadPoolExecutor(2) as pool:
        torch = pool.submit(seconds, sys.executable, "-c", "import torch")
        assert pool.submit(seconds, command, "--help").result() < torch.result()


def test_help_shows_groups_and_options():
    done = shell("recast-train", "--help", cwd=scratch())
    assert done.code == 0
    for word in (
        "model/cell",
        "model/anchor: auto, harmonic, harmonic_ridge, last, linear",
        "hidden_size: 64",
        "recast-options",
    ):
        assert word in done.out


def test_json_is_strict(tide):
    for path in tide.glob("*.json"):
        text = path.read_text()
        assert text.endswith("}\n")
        assert json.dumps(strict_json(path), indent=2) + "\n" == text


def test_logger_none_leaves_no_events():
    assert not list(shared_run(*QUICK).rglob("*tfevents*"))


def test_no_progress_bar_is_drawn_where_it_is_switched_off():
    done = run("recast-train", *QUICK, "trainer.max_epochs=1", cwd=scratch() / "bar")
    assert "Epoch" not in done.out
    assert "it/s" not in done.out


def test_a_fused_optimizer_that_cannot_be_clipped_is_refused(tmp_path):
    done = run("recast-train", "trainer.precision=bf16-mixed", cwd=tmp_path)
    assert done.code == 2
    assert "optimizer.fused=false" in done.err


@pytest.mark.slow
def test_two_processes_train_together_and_one_speaks(tmp_path):
    done = shell("recast-train", *TIDE, "trainer.devices=2", "+trainer.strategy=ddp", "hydra.run.dir=run", cwd=tmp_path)
    assert done.code == 0, done.err
    assert done.out.count("forecaster") == 1
    assert strict_json(tmp_path / "run" / "metrics.json")["windows"]["test"] > 0

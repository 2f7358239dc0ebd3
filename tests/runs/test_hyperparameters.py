"""TensorBoard's HPARAMS tab: over a sweep it shows what is swept, by the folder of each run."""

import json
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pytest
import yaml
from lightning.fabric.plugins.environments import LightningEnvironment
from lightning.pytorch.loggers import TensorBoardLogger
from matplotlib.image import imread

from recast.runs.hyperparameters import log_final, log_options, run_name, swept_options
from recast.runs.results import ResultTable, RunResults

CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
CONFIG = {
    "data": {"batch_size": 32, "windows": {"context": 6, "horizon": 4}},
    "model": {"_target_": "a.Model", "cell": {"_target_": "a.GRU", "hidden_size": 8}},
    "optimizer": {"_target_": "a.Adam", "lr": 0.01},
    "learning_rate": None,
    "trainer": {"max_epochs": 3},
    "seed": 5,
}


def write_overrides(folder: Path, overrides: list[str]) -> Path:
    (folder / ".hydra").mkdir(parents=True)
    (folder / ".hydra" / "overrides.yaml").write_text(yaml.safe_dump(overrides))
    return folder


def test_a_run_is_called_by_its_folder_unless_that_is_a_time(tmp_path):
    assert run_name(tmp_path / "cell-gru_seed-3") == "cell-gru_seed-3"
    assert run_name(tmp_path / "2026-05-01" / "12-30-59") == "2026-05-01/12-30-59"


def write_jobs(sweep: Path, content: Any) -> None:
    (sweep / "jobs.json").write_text(json.dumps(content))


def test_a_job_of_a_sweep_names_what_is_swept(tmp_path):
    folder = write_overrides(
        tmp_path / "cell-gru_seed-3", ["data=ssh", "model/cell=gru", "optimizer.lr=1e-3", "seed=3"]
    )
    swept = {"model/cell": "gru", "optimizer.lr": "1e-3", "seed": "3"}
    write_jobs(tmp_path, [{"folder": "other", "swept": {"seed": "1"}}, {"folder": folder.name, "swept": swept}])
    assert swept_options(folder) == {"model/cell": "gru", "optimizer.lr": 0.001, "seed": 3}


def test_a_job_may_lie_deeper_in_its_sweep(tmp_path):
    folder = write_overrides(tmp_path / "a" / "b", [])
    write_jobs(tmp_path, [{"folder": "a/b", "swept": {"seed": "3"}}])
    assert swept_options(folder) == {"seed": 3}


def test_a_job_of_hydras_own_launcher_names_what_was_not_on_the_command_line(tmp_path):
    folder = write_overrides(tmp_path / "0", ["data=ssh", "+model.cell.layers=2", "seed=3"])
    sweep = {"hydra": {"overrides": {"task": ["data=ssh", "+model.cell.layers=1,2", "seed=3,4"]}}}
    (tmp_path / "multirun.yaml").write_text(yaml.safe_dump(sweep))
    assert swept_options(folder) == {"model.cell.layers": 2, "seed": 3}


def test_a_run_of_no_sweep_sweeps_nothing(tmp_path):
    assert swept_options(write_overrides(tmp_path / "a", ["seed=3"])) == {}


@pytest.mark.parametrize("jobs", ['[{"folder": "a"', '{"folder": "a"}', '[3, {"folder": "a", "swept": [1]}]', "null"])
@pytest.mark.parametrize("sweep", ["a: [", "null", "hydra: null", "3", None])
def test_damaged_files_do_not_stop_a_run(tmp_path, jobs, sweep):
    folder = write_overrides(tmp_path / "a", [])
    (tmp_path / "jobs.json").write_text(jobs)
    if sweep is not None:
        (tmp_path / "multirun.yaml").write_text(sweep)
    assert swept_options(folder) == {}


class Scored(RunResults):
    """Results of nothing but scores."""

    part = "test"

    def __init__(self, scores: dict[str, float]) -> None:
        self.scores = scores
        self.facts = {"steps": 30}

    @property
    def overall(self) -> dict[str, float]:
        return self.scores

    def tables(self) -> list[ResultTable]:
        return []

    def remarks(self) -> list[str]:
        return []

    def write(self, folder: Path) -> None:
        raise NotImplementedError


def log(folder: Path, mse: float) -> None:
    logger = TensorBoardLogger(str(folder), name="", version="", default_hp_metric=False)
    trainer = pl.Trainer(
        accelerator="cpu",
        logger=logger,
        default_root_dir=str(folder),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        plugins=[LightningEnvironment()],
    )
    log_options(trainer, CONFIG)
    log_final(trainer, CONFIG, Scored({"mse": mse}))
    logger.finalize("success")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    sweep = tmp_path_factory.mktemp("sweep")
    jobs = []
    for place, cell in enumerate(("gru", "lstm")):
        for seed in (0, 1):
            name = f"cell-{cell}_seed-{seed}"
            jobs.append({"folder": name, "swept": {"model/cell": cell, "seed": str(seed)}})
            write_jobs(sweep, jobs)
            log(sweep / name, 0.1 + place + 0.01 * seed)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(sweep), "--port", str(port)]
    with subprocess.Popen(
        [*command, "--load_fast=false", "--host", "127.0.0.1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        address = f"http://127.0.0.1:{port}"
        try:
            limit = time.monotonic() + 100
            while len(ask(address, "runs")) < 4 and time.monotonic() < limit:
                time.sleep(0.2)
            yield address
        finally:
            process.terminate()


def ask(address: str, path: str, content: Any = None) -> Any:
    body = None if content is None else json.dumps(content).encode()
    request = urllib.request.Request(f"{address}/data/{path}", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)
    except OSError:  # not up yet
        return []


@pytest.mark.slow
def test_tensorboard_names_runs_by_folder_and_shows_swept_options_alone(server):
    assert sorted(ask(server, "runs")) == [f"cell-{cell}_seed-{seed}" for cell in ("gru", "lstm") for seed in (0, 1)]
    found = ask(server, "plugin/hparams/experiment", {})
    assert [info["name"] for info in found["hparamInfos"]] == ["model/cell", "seed"]
    assert [info["name"]["tag"] for info in found["metricInfos"]] == ["mse/test"]
    groups = ask(
        server,
        "plugin/hparams/session_groups",
        {
            "startIndex": 0,
            "sliceSize": 10,
            "allowedStatuses": ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_RUNNING"],
            "colParams": [{"hparam": "model/cell"}, {"metric": found["metricInfos"][0]["name"]}],
            "aggregationType": "AGGREGATION_AVG",
        },
    )["sessionGroups"]
    rows = {(group["hparams"]["model/cell"], group["hparams"]["seed"]): group["metricValues"] for group in groups}
    assert {key: round(values[0]["value"], 5) for key, values in rows.items()} == {
        ("gru", 0): 0.1,
        ("gru", 1): 0.11,
        ("lstm", 0): 1.1,
        ("lstm", 1): 1.11,
    }


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH")
def test_the_tab_is_drawn_without_script_errors(server, tmp_path):
    assert CHROMIUM is not None
    picture = tmp_path / "hparams.png"
    done = subprocess.run(
        [
            CHROMIUM,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--enable-logging=stderr",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--window-size=1280,700",
            "--virtual-time-budget=25000",
            f"--screenshot={picture}",
            f"{server}/#hparams",
        ],
        check=True,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert not [line for line in done.stderr.splitlines() if "CONSOLE" in line and "Error" in line]
    pixels = imread(picture)[..., :3]
    # TensorBoard's orange head, and a table with ink in it below.
    assert np.abs(pixels[20, 20] - np.array([245, 124, 0]) / 255).max() < 0.05
    assert (pixels[200:600].mean(axis=2) < 0.5).mean() > 0.001

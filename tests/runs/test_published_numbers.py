"""Baselines on real files give the numbers that are known for them, through the whole command."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

DATA = Path(os.environ.get("RECAST_DATA_DIR", "data")).resolve()

# Mean squared error in m2 over all 3,420 test windows of 800 + 100 steps, computed once by other means.
SANTOS = {
    "last_value": 0.1706,
    "mean": 0.1239,
    "seasonal": 0.0368,
    "harmonic": 0.0409,
    "harmonic_last": 0.00999,
    "ridge": 0.00918,
    "harmonic_ridge": 0.00645,
}


def trained(tmp_path, name, *overrides):
    if not (DATA / name).exists():
        pytest.skip(f"{name} is not in the data folder")
    command = [sys.executable, "-m", "recast.cli.train", "trainer=smoke", "callbacks.progress_bar=null"]
    command += [
        "trainer.limit_test_batches=null",
        f"paths.data_dir={DATA}",
        "hydra.run.dir=run",
        "model.cell.hidden_size=4",
        *overrides,
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads((tmp_path / "run" / "metrics.json").read_text())


@pytest.mark.slow
def test_baselines_on_the_santos_tide_gauge(tmp_path):
    metrics = trained(tmp_path, "santos_ssh.csv", "experiment=ssh_gru", "data.split.validation=0")
    assert metrics["windows"] == {"train": 20393, "validation": 0, "test": 3420}
    assert metrics["unit"] == "m"
    for name, expected in SANTOS.items():
        found = metrics["baselines"][name]["mse"]
        assert float(f"{found:.3g}") == pytest.approx(float(f"{expected:.3g}"), abs=1e-12), name
    assert metrics["baselines_per_horizon"]["ridge"]["rmse"][0] == pytest.approx(0.0255, abs=5e-4)
    assert metrics["baselines_per_horizon"]["ridge"]["rmse"][99] == pytest.approx(0.129, abs=5e-4)


@pytest.mark.slow
def test_holding_the_last_close_of_apple(tmp_path):
    metrics = trained(tmp_path, "AAPL_2006-01-01_to_2018-01-01.csv", "experiment=stock_rnn")
    assert metrics["windows"]["test"] == 600
    assert metrics["unit"] == "USD"
    assert metrics["baselines"]["last_value"]["rmse"] == pytest.approx(1.687, abs=5e-4)

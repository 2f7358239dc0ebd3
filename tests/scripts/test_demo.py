"""scripts/demo.py, which `make demo` runs: what it claims, on the files that it leaves."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

SCRIPT = Path(__file__).parents[2] / "scripts/demo.py"


@pytest.mark.slow
def test_the_network_is_ahead_of_every_baseline_and_forecasts_another_gauge(tmp_path):
    done = subprocess.run([sys.executable, str(SCRIPT)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "outputs/demo").iterdir()
    metrics = json.loads((folder / "metrics.json").read_text())
    errors = {name: scores["mse"] for name, scores in metrics["baselines"].items()}
    # The line that the network stands on, and the same line as a baseline, with the same inputs.
    assert {"anchor", "harmonic_ridge", "ridge", "last_value", "seasonal"} <= set(errors)
    assert metrics["test"]["mse"] < 0.95 * min(errors.values())
    gauge, forecast = pd.read_csv(folder / "gauge.csv"), pd.read_csv(folder / "forecast.csv")
    assert list(gauge) == ["datetime", "ssh", "wind_east", "wind_north", "pressure"]
    assert len(gauge) == 240
    assert len(forecast) == 12
    assert (forecast["ssh_lower_80"] < forecast["ssh"]).all()
    assert (forecast["ssh"] < forecast["ssh_upper_80"]).all()
    assert (folder / "forecast.png").stat().st_size > 10_000

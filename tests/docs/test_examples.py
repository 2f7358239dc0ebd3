"""The examples in Python of the first page and of getting started work as they stand there."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import python
from pages import ROOT, blocks, page

(FRONT_DOOR,) = blocks((ROOT / "README.md").read_text(encoding="utf-8"), "python")
(LIGHTNING,) = blocks(page("start.md"), "python")


def as_it_stands(example: str, folder: Path) -> str:
    """What an example prints."""
    script = folder / "example.py"
    script.write_text(example, encoding="utf-8")
    done = subprocess.run([sys.executable, script], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def prices(rows: int) -> pd.DataFrame:
    """A table with the columns of the first example: a price that follows load and wind."""
    generator = np.random.default_rng(0)
    load, wind = generator.normal(40000, 5000, rows), generator.normal(2000, 500, rows)
    price = 30 + (load - 40000) / 1000 - (wind - 2000) / 200 + generator.normal(size=rows)
    times = pd.date_range("2018-01-01", periods=rows, freq="h")
    return pd.DataFrame({"Date": times, "Price": price, "Grid load forecast": load, "Wind power forecast": wind})


def test_the_first_example_forecasts_with_inputs_known_ahead_in_ten_lines(tmp_path):
    prices(2000).to_csv(tmp_path / "nordpool_prices.csv", index=False)
    done = python(FRONT_DOOR.replace("max_epochs=4", "max_epochs=1"), cwd=tmp_path)
    assert done.code == 0, done.err
    answer = done.out
    assert len([line for line in FRONT_DOOR.splitlines() if line]) <= 10
    assert "forecast(past, known=ahead" in FRONT_DOOR
    assert re.search(r"Date +Price +Price_lower_80 +Price_upper_80", answer), answer
    assert len(re.findall(r"2018-03-2[45] \d\d:00:00", answer)) == 24


@pytest.mark.slow
def test_the_first_example_on_the_market_itself(tmp_path):
    file = Path(os.environ.get("RECAST_DATA_DIR", "data")) / "nordpool_prices.csv"
    if not file.exists():
        pytest.skip(f"no {file}: Nord Pool's prices, which lie outside of the clone (RECAST_DATA_DIR)")
    shutil.copy(file, tmp_path)
    answer = as_it_stands(FRONT_DOOR, tmp_path)
    ours, theirs = answer.splitlines()[-26].split(" ", 1)
    assert float(ours) < min(ast.literal_eval(theirs).values())


@pytest.mark.slow
def test_lightning_s_own_way_runs_as_it_stands(tmp_path):
    answer = as_it_stands(LIGHTNING, tmp_path)
    assert re.search(r"rmse/test\D+0\.\d+", answer), answer

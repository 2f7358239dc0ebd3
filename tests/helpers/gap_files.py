"""A table with gaps, and a small network that has learnt to fill them."""

import functools
from pathlib import Path

import numpy as np
import pandas as pd
from commands import scratch, trained

ROWS, MISSING_STAMPS = 400, [50, 51, 300]


def gap_table() -> pd.DataFrame:
    """Two oscillations with a tenth of their values missing, and 20 in a row of the second."""
    stamps = pd.date_range("2024-01-01", periods=ROWS, freq="h")
    steps, random = np.arange(ROWS) / 4, np.random.default_rng(0)
    frame = pd.DataFrame({"a": np.sin(steps) + 5, "b": 10 * np.cos(steps)}, index=stamps).round(3)
    frame = frame.mask(random.random(frame.shape) < 0.1)
    frame.iloc[200:220, 1] = np.nan
    return frame


@functools.cache
def gap_file() -> Path:
    """The same without some of its rows."""
    path = scratch() / "gaps.csv"
    gap_table().drop(index=gap_table().index[MISSING_STAMPS]).to_csv(path, index_label="time")
    return path


@functools.cache
def gap_options() -> tuple[str, ...]:
    """Words of a short run of recast-train on it."""
    return (
        *("task=imputation", "data=csv_gaps", f"data.source.path={gap_file()}", "data.source.time=time"),
        *("data.source.targets=[a,b]", "data.steps=16", "data.stride=8", "data.batch_size=8"),
        *("model.cell.hidden_size=6", "trainer.max_epochs=2", "callbacks.progress_bar=null", "optimizer.lr=0.01"),
        *("callbacks.last_checkpoint.every_n_steps=1", "baselines.fill_kalman.rows=50"),
    )


@functools.cache
def gap_run() -> Path:
    """The folder of a run of BRITS."""
    options = ("model=brits", *gap_options(), "data.split.validation=0.2", "hydra.run.dir=run")
    return trained(*options, cwd=scratch() / "imputed")

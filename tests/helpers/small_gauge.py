"""A small table and a model trained on it, for those who forecast it."""

import functools
from pathlib import Path

import numpy as np
import pandas as pd
from commands import scratch, trained

QUICK = (
    "data.windows.context=24",
    "data.windows.horizon=6",
    "model.cell.hidden_size=8",
    "trainer.max_epochs=1",
    "callbacks.progress_bar=null",
    "callbacks.figures=null",
    "logger=none",
)
"""Trains a table of some hundred rows in a second."""


@functools.cache
def gauge_file() -> Path:
    """Three hundred hours of a tide of one constituent."""
    path = scratch() / "gauge.csv"
    times = pd.date_range("2024-01-01", periods=300, freq="h")
    level = np.sin(2 * np.pi * np.arange(300) / 12.42)
    pd.DataFrame({"time": times, "level": level}).to_csv(path, index=False)
    return path


@functools.cache
def gauge_checkpoint() -> Path:
    """The best state of a small network trained on it: 24 hours in, 6 out."""
    run = trained(
        "data=csv",
        f"data.source.path={gauge_file()}",
        "data.source.time=time",
        "data.source.targets=[level]",
        *QUICK,
        cwd=gauge_file().parent,
    )
    return run / "checkpoints" / "best.ckpt"

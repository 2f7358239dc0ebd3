"""Stream loaders over made-up ranges, and a short fit."""

from typing import Any

import lightning.pytorch as pl
import synthetic
import torch

from recast.data.prepare.streams import StreamLoader
from recast.nn.models.model import ForecastModel
from recast.training.task import ForecastTask


def ranges_of(lengths: list[int], gap: int = 1) -> list[tuple[int, int]]:
    """Ranges of the given lengths, `gap` rows apart, the first at row 3."""
    ranges, first = [], 3
    for length in lengths:
        ranges.append((first, first + length))
        first += length + gap
    return ranges


def streams_of(ranges: list[tuple[int, int]], *, horizon: int = 2, **options: Any) -> StreamLoader:
    """Row r holds the value r."""
    storage = synthetic.storage_of(torch.arange(float(ranges[-1][1] + 3)).unsqueeze(1))
    return StreamLoader(storage=storage, ranges=ranges, horizon=horizon, **options)


def fit_briefly(model: ForecastModel, data: Any, *callbacks: pl.Callback, **options: Any) -> ForecastTask:
    task = ForecastTask(model=model)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=1,
        logger=False,
        callbacks=list(callbacks),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )
    trainer.fit(task, data)
    return task

"""The parts of a series as baselines see them."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from jaxtyping import Float64, Int
from torch import Tensor

from recast.data.panel import Panel, Role
from recast.data.prepare.prepare import Prepared
from recast.data.prepare.ranges import rows_of
from recast.data.prepare.storage import hours, periodic
from recast.data.spec import SeriesSpec
from recast.scoring.baselines.baseline import Baseline, History
from recast.types import Origins

BATCH = 1024  # windows in memory at a time; 800 + 100 steps of one target make 7 MB


def training_history(prepared: Prepared) -> History:
    """The training part as baselines see it."""
    rows, starts = rows_of(prepared.panel, prepared.parts.train), prepared.starts.train.numpy()
    # The place of each window among the rows of the part.
    starts = starts - rows.start if isinstance(rows, slice) else (np.cumsum(rows) - 1)[starts]
    return _history(prepared, rows, starts)


def windows(prepared: Prepared, part: str, batch: int = BATCH) -> Iterator[tuple[Origins, np.ndarray]]:
    """Windows of a part in the data's unit: origins, and the truth of shape (batch, horizon, targets).

    Args:
        prepared: The series.
        part: "train", "validation" or "test".
        batch: Windows in memory at a time.
    """
    return _history(prepared, slice(None), getattr(prepared.starts, part).numpy()).windows(batch)


PointForecasts = Callable[[Prepared, str], Iterable[Float64[Tensor, "batch horizon targets"]]]
"""Forecasts of the windows of a part in the data's unit, those of `BATCH` windows after another."""


def forecasts_of(baseline: Baseline) -> PointForecasts:
    """Those of a fitted baseline."""

    def forecasts(prepared: Prepared, part: str) -> Iterator[Tensor]:
        for origins, _ in windows(prepared, part):
            yield torch.from_numpy(baseline.forecast(origins))

    return forecasts


def truth_of(prepared: Prepared, starts: Int[Tensor, " batch"]) -> Float64[Tensor, "batch horizon targets"]:
    """What followed the context of the windows that begin at some rows, NaN where nothing was observed."""
    context, horizon = prepared.spec.context, prepared.spec.horizon
    rows = starts.numpy()[:, np.newaxis] + np.arange(context, context + horizon)
    return torch.from_numpy(prepared.panel.targets[rows])


def last_origins(panel: Panel, spec: SeriesSpec) -> Origins:
    """The origins of a panel whose pieces are one window each."""
    context = spec.context

    def windows(values: np.ndarray) -> np.ndarray:
        return values.reshape(len(panel.starts), -1, *values.shape[1:])

    times, (past, known) = windows(hours(panel.clock)), inputs_of(panel, spec)
    return Origins(
        windows(panel.targets)[:, :context],
        times[:, :context],
        times[:, context:],
        None if past is None else windows(past)[:, :context],
        None if known is None else windows(known),
    )


def inputs_of(panel: Panel, spec: SeriesSpec) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Past and known inputs of each row as numbers: categories one-hot, sines and cosines of time behind known ones.

    None where there are none of a kind. Times since the origin are left out: a baseline has the times themselves.
    """
    past, known = _numbers(panel, "past"), _numbers(panel, "known")
    if spec.periods:
        known.append(periodic(panel.clock, spec.periods).astype(np.float64))
    one, other = (np.concatenate(columns, axis=1) if columns else None for columns in (past, known))
    return one, other


def _numbers(panel: Panel, role: Role) -> list[np.ndarray]:
    found = []
    for place in panel.of(role):
        if panel.columns[place].from_origin:
            continue
        levels, values = panel.columns[place].levels, panel.values[:, place, None]
        found.append(values if levels is None else (values == np.arange(len(levels))).astype(np.float64))
    return found


def _history(prepared: Prepared, rows: slice | np.ndarray, starts: np.ndarray) -> History:
    past, known = inputs_of(prepared.panel, prepared.spec)
    return History(
        values=prepared.panel.targets[rows],
        hours=hours(prepared.panel.clock[rows]),
        starts=starts,
        context=prepared.spec.context,
        horizon=prepared.spec.horizon,
        past=None if past is None else past[rows],
        known=None if known is None else known[rows],
        season=prepared.season,
    )

"""The parts of a series as baselines see them."""

from collections.abc import Iterator

import numpy as np

from recast.data.prepare.prepare import Prepared
from recast.data.prepare.storage import hours
from recast.scoring.baselines.baseline import History
from recast.types import Origins

BATCH = 1024  # windows in memory at a time; 800 + 100 steps of one target make 7 MB


def training_history(prepared: Prepared) -> History:
    """The training part as baselines see it."""
    first, stop = prepared.parts.train
    return History(
        values=prepared.panel.targets[first:stop],
        hours=hours(prepared.panel.clock[first:stop]),
        starts=prepared.starts.train.numpy() - first,
        context=prepared.spec.context,
        horizon=prepared.spec.horizon,
    )


def windows(prepared: Prepared, part: str, batch: int = BATCH) -> Iterator[tuple[Origins, np.ndarray]]:
    """Windows of a part in the data's unit: origins, and the truth of shape (batch, horizon, targets).

    Args:
        prepared: The series.
        part: "train", "validation" or "test".
        batch: Windows in memory at a time.
    """
    everything = History(
        values=prepared.panel.targets,
        hours=hours(prepared.panel.clock),
        starts=getattr(prepared.starts, part).numpy(),
        context=prepared.spec.context,
        horizon=prepared.spec.horizon,
    )
    return everything.windows(batch)

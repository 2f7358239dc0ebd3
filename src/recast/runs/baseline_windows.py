"""The parts of a series as baselines see them."""

from collections.abc import Iterator

import numpy as np

from recast.data.prepare.prepare import Prepared
from recast.data.prepare.split import rows_of
from recast.data.prepare.storage import hours
from recast.scoring.baselines.baseline import History
from recast.types import Origins

BATCH = 1024  # windows in memory at a time; 800 + 100 steps of one target make 7 MB


def training_history(prepared: Prepared) -> History:
    """The training part as baselines see it."""
    panel, starts = prepared.panel, prepared.starts.train.numpy()
    rows = rows_of(panel, prepared.parts.train)
    # The place of each window among the rows of the part.
    starts = starts - rows.start if isinstance(rows, slice) else (np.cumsum(rows) - 1)[starts]
    return History(
        values=panel.targets[rows],
        hours=hours(panel.clock[rows]),
        starts=starts,
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

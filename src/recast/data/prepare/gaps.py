"""Prepares a panel whose gaps are filled: grid, split, scaling, windows, and the values removed to be filled again."""

import logging
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from recast.data.panel import Panel, runs
from recast.data.prepare.describe import align
from recast.data.prepare.gap_removal import Removal
from recast.data.prepare.grid import Grid
from recast.data.prepare.item_sizes import item_sizes
from recast.data.prepare.prepare import Starts, describe
from recast.data.prepare.ranges import Ranges, contiguous, rows_of, whole_items
from recast.data.prepare.scale import Scaler
from recast.data.prepare.split import Parts, Split
from recast.data.prepare.storage import Storage, stored
from recast.data.prepare.windows import Windows
from recast.data.sources.fingerprint import fingerprint
from recast.data.spec import SeriesSpec
from recast.errors import ConfigurationError, DataError

log = logging.getLogger(__name__)

LAG = 1
"""Lag of the naive forecast in the denominator of MASE. [steps]"""


@dataclass(frozen=True, eq=False)
class PreparedGaps:
    """A panel whose gaps are filled, ready for training.

    Args:
        panel: The panel on its grid, in the data's own unit; what is removed from the training part for good is NaN.
        spec: What a model must know about it; context and horizon are both the steps of a window.
        storage: Its scaled rows.
        parts: Its rows for training, validation and test.
        starts: Window starts of each part.
        removed: Which values are removed where a part is scored, for each row of the storage.
        fingerprint: SHA-256 of the panel as it was read.
    """

    panel: Panel
    spec: SeriesSpec
    storage: Storage
    parts: Parts
    starts: Starts
    removed: Bool[Tensor, "rows targets"]
    fingerprint: str


def prepare_gaps(
    raw: Panel,
    *,
    steps: int,
    stride: int,
    grid: Grid,
    split: Split,
    scaler: Scaler,
    removal: Removal,
    removal_seed: int,
    training_gaps: bool = False,
    trained: SeriesSpec | None = None,
    unseen: bool = False,
) -> PreparedGaps:
    """Puts a panel on its grid, splits it, fits the scaling on its training rows, and draws what is removed.

    Args:
        raw: The panel as read.
        steps: Steps of a window.
        stride: Distance between the starts of neighbouring training windows; others do not overlap.
        grid: Policy for missing and off-grid stamps.
        split: Policy for training, validation and test rows.
        scaler: Scaling, by default fitted on training rows.
        removal: How much is removed, and in which form.
        removal_seed: Seed of what is removed where a part is scored.
        training_gaps: Whether the training part loses as much, before anything else, for good.
        trained: The spec of a trained model, whose scaling replaces a fitted one.
        unseen: Whether all rows are the test part.

    Raises:
        ConfigurationError: if there are inputs, which nothing would read, or the scaler scales windows one by one.
        DataError: if a requested part has no window, or a column is constant; with `trained`, if the panel has other
            columns or steps.
    """
    _require_targets(raw)
    panel = grid.apply(raw)
    none = np.zeros((0, 2), dtype=np.int64)
    parts = Parts(none, none, whole_items(panel)) if unseen else split.parts(panel, context=1, horizon=steps)
    generator = torch.Generator().manual_seed(removal_seed)
    removed = removal.draw(1, len(panel) + 1, len(panel.columns), generator)[0]
    if training_gaps:
        rows, values = rows_of(panel, parts.train), panel.values.copy()
        # Of the rows taken, a view or a copy: so it is written back.
        kept = values[rows]
        kept[removed[:-1].numpy()[rows]] = np.nan
        values[rows] = kept
        panel = replace(panel, values=values)
    if trained is not None:
        panel = align(panel, trained)
    starts = Starts(
        *(
            torch.from_numpy(_starts(panel, part, steps, stride if name == "train" else steps))
            for name, part in parts._asdict().items()
        )
    )
    _require_windows(panel, parts, starts, steps)
    if trained is None:
        windows = Windows(context=steps, horizon=steps)
        trained = describe(panel, parts, scaler=scaler, windows=windows, periods=(), season=LAG, masked=True)
        if trained.local is not None:
            raise ConfigurationError(
                "data.scaler: windows are filled in one scaling for all, as that of a window would depend on what was "
                "removed; give data.scaler.by=together, or another scaler (data/scaler=standard)"
            )
    storage = stored(panel, trained, item_sizes(panel, parts.train, trained, LAG))
    return PreparedGaps(panel, trained, storage, parts, starts, removed, fingerprint(raw))


def _require_targets(panel: Panel) -> None:
    columns = [*panel.columns, *panel.static]
    others = [column.name for column in columns if column.role != "target" or column.is_category]
    if others or not columns:
        found = f"columns that are inputs or categories ({', '.join(others)})" if others else "no column"
        raise ConfigurationError(
            f"{panel.label}: {found}; task=imputation reads and fills columns of real numbers alike: name them in "
            "data.source.targets, and no others"
        )


def _starts(panel: Panel, part: Ranges, steps: int, stride: int) -> Int[np.ndarray, " windows"]:
    """First rows of the windows of a part that lie in one piece and have something observed."""
    own = contiguous(panel, part)
    starts = runs(own[:, 0], np.maximum((own[:, 1] - own[:, 0] - steps) // stride + 1, 0), stride)
    seen = np.concatenate([[0], np.cumsum(~np.isnan(panel.targets).all(axis=1))])
    return starts[seen[starts + steps] > seen[starts]]


def _require_windows(panel: Panel, parts: Parts, starts: Starts, steps: int) -> None:
    for name, part, found in zip(Parts._fields, parts, starts, strict=True):
        rows = int(np.diff(part).sum())
        # A file that a trained model has not seen has a test part alone.
        if not len(found) and (rows > 0 or (name == "train" and len(starts.test) == 0)):
            raise DataError(
                f"{panel.label}: the {name} part ({rows} rows) has no window of {steps} steps with something observed; "
                "give it more rows, shorten the windows (data.steps), or keep gaps as such (data/grid=mask)"
            )
        left = rows - len(found) * steps
        if name != "train" and left:
            log.info("%s: %d of %d rows of the %s part lie in no window", panel.label, left, rows, name)

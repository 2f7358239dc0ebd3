"""Prepares a panel whose gaps are filled: grid, split, scaling, windows, and the values removed to be filled again."""

import logging
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from recast.data.panel import Panel, runs
from recast.data.prepare.covariates import Covariates
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
    covariates: Covariates,
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
        covariates: Further columns, which are added on the grid.
        removal: How much is removed, and in which form.
        removal_seed: Seed of what is removed where a part is scored.
        training_gaps: Whether the training part loses as much, before anything else, for good.
        trained: The spec of a trained model, whose scaling replaces a fitted one.
        unseen: Whether all rows are the test part.

    Raises:
        ConfigurationError: if there is no target or one is a category, a feature reads observations or counts from the
            last step of a window, or the scaler scales windows one by one.
        DataError: if a requested part has no window, or a column is constant; with `trained`, if the panel has other
            columns or steps.
    """
    _require_targets(raw)
    regular = grid.apply(raw)
    _require_independent(regular, covariates)
    panel = covariates.added(regular, horizon=steps, keep_gaps=grid.masks)
    none = np.zeros((0, 2), dtype=np.int64)
    parts = Parts(none, none, whole_items(panel)) if unseen else split.parts(panel, context=1, horizon=steps)
    generator = torch.Generator().manual_seed(removal_seed)
    targets = panel.of("target")
    removed = removal.draw(1, len(panel) + 1, len(targets), generator)[0]
    if training_gaps:
        rows, values = rows_of(panel, parts.train), panel.values.copy()
        # Of the rows taken, a view or a copy: so it is written back.
        kept = values[rows]
        kept[:, targets] = np.where(removed[:-1].numpy()[rows], np.nan, kept[:, targets])
        values[rows] = kept
        panel = replace(panel, values=values)
    fitted = covariates.fit(panel, rows_of(panel, parts.train)) if trained is None else trained.fitted
    panel = covariates.completed(panel, fitted, horizon=steps)
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
        trained = describe(
            panel,
            parts,
            scaler=scaler,
            windows=windows,
            periods=(),
            season=LAG,
            masked=True,
            held=grid.hold,
            scales=covariates.scales(panel),
            fitted=fitted,
        )
        if trained.local is not None:
            raise ConfigurationError(
                "data.scaler: windows are filled in one scaling for all, as that of a window would depend on what was "
                "removed; give data.scaler.by=together, or another scaler (data/scaler=standard)"
            )
    storage = stored(panel, trained, item_sizes(panel, parts.train, trained, LAG))
    return PreparedGaps(panel, trained, storage, parts, starts, removed, fingerprint(raw))


def _require_targets(panel: Panel) -> None:
    targets = [column for column in panel.columns if column.role == "target"]
    levels = [column.name for column in targets if column.is_category]
    if levels or not targets:
        found = f"targets that are categories ({', '.join(levels)})" if levels else "no target"
        raise ConfigurationError(
            f"{panel.label}: {found}; task=imputation fills columns of real numbers: name them in data.source.targets"
        )


def _require_independent(panel: Panel, covariates: Covariates) -> None:
    """Raises ConfigurationError where an input would know of what is removed, or of where a window ends."""
    if covariates.counts_from_origin(panel):
        raise ConfigurationError(
            f"{panel.label}: a feature counts from the last step of a window, which fills no gap; leave it out "
            "(data.features)"
        )
    if covariates.reads_observations(panel):
        raise ConfigurationError(
            f"{panel.label}: a feature reads observations, also such as are removed to be filled again; leave it out "
            "(data.features): task=imputation takes those of the time alone, such as calendar or fitted_tide"
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

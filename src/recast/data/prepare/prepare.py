"""Prepares a panel for training: grid, split, scaling, storage, windows."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from recast.data.panel import Panel, with_item
from recast.data.prepare.covariates import Covariates, Scales
from recast.data.prepare.describe import align, column_scaling, static_scaling
from recast.data.prepare.grid import WORTH_A_WARNING, Grid
from recast.data.prepare.item_sizes import item_sizes, items_differ, naive_errors
from recast.data.prepare.ranges import Ranges, in_part, rows_of, whole_items
from recast.data.prepare.removal import without_readings
from recast.data.prepare.scale import Scaler
from recast.data.prepare.split import Parts, Split
from recast.data.prepare.storage import Storage, stored
from recast.data.prepare.windows import Windows
from recast.data.sources.fingerprint import fingerprint
from recast.data.spec import ImputerSpec, SeriesSpec
from recast.errors import ConfigurationError, DataError

log = logging.getLogger(__name__)


class Starts(NamedTuple):
    """First rows of the windows of each part, int64 tensors."""

    train: Tensor
    validation: Tensor
    test: Tensor


@dataclass(frozen=True, eq=False)
class Prepared:
    """A panel ready for training.

    Args:
        panel: The panel on its grid, in the data's own unit, its categories as levels of the spec.
        spec: What a model must know about it.
        storage: Its scaled rows.
        parts: Its rows for training, validation and test.
        windows: Context, horizon, strides.
        starts: Window starts of each part.
        season: Rows after which the series repeats itself; 1: none. [steps]
        fingerprint: SHA-256 of the panel as it was read, and of the tables joined to it.
    """

    panel: Panel
    spec: SeriesSpec
    storage: Storage
    parts: Parts
    windows: Windows
    starts: Starts
    season: int
    fingerprint: str

    def training_starts(self, context: int) -> Int[Tensor, " windows"]:
        """First rows of training windows with a different context, in steps."""
        return torch.from_numpy(self.windows.starts(self.panel, self.parts.train, training=True, context=context))


def prepare(
    raw: Panel,
    *,
    grid: Grid,
    split: Split,
    scaler: Scaler,
    windows: Windows,
    periods: tuple[float, ...] = (),
    season: int = 1,
    removed: float = 0.0,
    removal_seed: int = 0,
    item_category: bool = False,
    trained: SeriesSpec | None = None,
    covariates: Covariates | None = None,
) -> Prepared:
    """Puts a panel on its grid, splits it, fits the scaling on its training rows, and finds its windows.

    Args:
        raw: The panel as read.
        grid: Policy for missing and off-grid stamps.
        split: Policy for training, validation and test rows.
        scaler: Scaling, by default fitted on training rows.
        windows: Context, horizon, strides.
        periods: Periods of additional sine and cosine inputs. [hours]
        season: Rows after which the series repeats itself, 1 for none: lag of the naive forecast in the denominator of
            MASE, and the season of baselines without one of their own. [steps]
        removed: Share of rows whose targets are removed at random. [share of rows]
        removal_seed: Seed of these rows.
        item_category: Whether the item is a static category, whose levels are the items with training rows.
        trained: The spec of a trained model, whose scaling and levels replace fitted ones.
        covariates: Further columns, which are added on the grid; None: none.

    Raises:
        ConfigurationError: if it has no target.
        DataError: if a requested part has no window, or a column is constant; with `trained`, if the panel has other
            columns, levels or steps.
    """
    covariates = covariates or Covariates()
    if trained is None and not any(column.role == "target" for column in raw.columns):
        raise ConfigurationError(
            f"{raw.label}: data.source.targets=[] leaves nothing to forecast; name a column there (a table without "
            "targets may be joined: data.joins)"
        )
    panel = grid.apply(without_readings(raw, removed, removal_seed))
    panel = covariates.added(panel, horizon=windows.horizon, keep_gaps=grid.masks)
    parts = split.parts(panel, context=windows.context + covariates.steps_before(panel), horizon=windows.horizon)
    fitted = covariates.fit(panel, rows_of(panel, parts.train)) if trained is None else trained.fitted
    panel = covariates.completed(panel, fitted, horizon=windows.horizon)
    if trained is not None:
        panel = align(panel, trained)
    if item_category and trained is None:
        panel = with_item(panel, _trained_on(panel, parts.train))
    starts = Starts(
        *(
            torch.from_numpy(
                windows.starts(panel, part, training=name == "train", reach_back=name in split.reaches_back)
            )
            for name, part in parts._asdict().items()
        )
    )
    _require_windows(panel, parts, starts, windows)
    _tell_short_pieces(panel, windows)
    spec = trained or describe(
        panel,
        parts,
        scaler=scaler,
        windows=windows,
        periods=periods,
        season=season,
        masked=grid.masks,
        held=grid.hold,
        imputer=grid.imputer,
        scales=covariates.scales(panel),
        fitted=fitted,
    )
    storage = stored(panel, spec, item_sizes(panel, parts.train, spec, season))
    return Prepared(panel, spec, storage, parts, windows, starts, season, fingerprint(raw, *covariates.tables))


def _trained_on(panel: Panel, train: Ranges) -> tuple[str, ...]:
    """The names of the items that have training rows.

    Raises:
        DataError: if there is but one, whose category would say nothing.
    """
    names = tuple(name for name, trained in zip(panel.ids, in_part(panel, train), strict=True) if trained)
    if len(names) < 2:
        raise DataError(
            f"{panel.label}: {len(names)} item has training rows, so that the item as a category says nothing; give "
            "data.item_category=false"
        )
    return names


def describe(
    panel: Panel,
    parts: Parts,
    *,
    scaler: Scaler,
    windows: Windows,
    periods: tuple[float, ...],
    season: int,
    masked: bool,
    held: bool,
    imputer: ImputerSpec | None = None,
    scales: Scales | None = None,
    fitted: Mapping[str, Sequence[float]] | None = None,
) -> SeriesSpec:
    """What a model must know about a panel; see `prepare`. `scales` are those of columns that have their own."""
    rows = parts.train if scaler.fitted_on == "train" else whole_items(panel)
    offset, scale = column_scaling(panel.columns, panel.values[rows_of(panel, rows)], scaler, scales or {})
    static_offset, static_scale = static_scaling(panel)
    return SeriesSpec(
        columns=panel.columns,
        offset=offset,
        scale=scale,
        static=panel.static,
        static_offset=static_offset,
        static_scale=static_scale,
        masked=masked or bool(np.isnan(panel.values).any()),
        step=panel.step,
        context=windows.context,
        horizon=windows.horizon,
        naive_error=_naive_error(panel, parts.train, season),
        periods=periods,
        timezone=panel.timezone,
        local=scaler.local_to(panel, rows),
        items_differ=items_differ(panel, parts.train),
        fitted={name: tuple(numbers) for name, numbers in (fitted or {}).items()},
        held=held,
        imputer=imputer,
    )


def _require_windows(panel: Panel, parts: Parts, starts: Starts, windows: Windows) -> None:
    needed = f"a window takes context {windows.context} + horizon {windows.horizon} = {windows.length} rows"
    if len(panel) < windows.length:
        raise DataError(
            f"{panel.label}: {len(panel)} rows are too short: {needed}; give a longer series or shorter windows"
        )
    items = "" if panel.is_single else "hold out whole items (data/split=items), "
    for name, part, found in zip(Parts._fields, parts, starts, strict=True):
        rows = int(np.diff(part).sum())
        if len(found) == 0 and (rows > 0 or name == "train"):
            raise DataError(
                f"{panel.label}: the {name} part ({rows} rows) has no window: {needed} without a gap; "
                "give it more rows, shorten the windows, fill short gaps (data/grid=interpolate), "
                f"{items}or let its context reach back (data.windows.reach_back=true)"
            )


NAMED = 5
"""Series that a message names."""


def _tell_short_pieces(panel: Panel, windows: Windows) -> None:
    """Says which rows no window holds: series of a panel and pieces between gaps that are shorter than one."""
    short = panel.lengths < windows.length
    if not short.any():
        return
    lost, rows = int(panel.lengths[short].sum()), len(panel)
    length = f"a window of context {windows.context} + horizon {windows.horizon} = {windows.length} rows"
    unused = np.setdiff1d(panel.items, panel.items[~short])
    if len(unused):
        names = ", ".join(panel.ids[item] for item in unused[:NAMED]) + (", ..." if len(unused) > NAMED else "")
        log.warning(
            "%s: %d of %d series are too short for %s and are not used: %s",
            *(panel.label, len(unused), len(panel.ids), length, names),
        )
    level = logging.WARNING if lost > WORTH_A_WARNING * rows else logging.INFO
    log.log(
        level,
        "%s: %d of %d pieces without a gap are shorter than %s: %d of %d rows are not used",
        *(panel.label, short.sum(), len(short), length, lost, rows),
    )


def _naive_error(panel: Panel, train: Ranges, season: int) -> tuple[float, ...]:
    """Mean |y(t) - y(t - season)| of the targets over the training rows of all items."""
    totals, counts = naive_errors(panel, train, season)
    # One after the other, as sums of sums differ in rounding.
    total, count = totals.cumsum(axis=0)[-1], counts.sum(axis=0)
    for column, number in zip(panel.columns, count, strict=False):
        if not number:
            raise DataError(
                f"{panel.label}: no training rows in which {column.name!r} was observed lie {season} steps apart; "
                "choose another data.season, at which it was"
            )
    return tuple((total / count).tolist())

"""The step of a table's stamps: read from them, or tested against what was said of them."""

import logging
from dataclasses import dataclass

import numpy as np

from recast.data.sources.items import Items
from recast.data.sources.lattice import other_step, round_to_grid
from recast.data.sources.stamps import Stamps
from recast.data.sources.step import alias, far_apart, infer_step, is_civil
from recast.data.sources.table import Table
from recast.data.zone import Zone
from recast.errors import DataError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Clock:
    """What is said of the step of a table's stamps.

    Args:
        step: Distance between rows, a pandas offset alias, as a person stated it; None: not stated.
        trained: The same as a model was trained on it; None: there is no such model.
        tolerance: Stamps that lie so near to the grid of the step are rounded to it; None: none.
    """

    step: str | None
    trained: str | None
    tolerance: np.timedelta64 | None

    def on_step(
        self, table: Table, column: str, stamps: Stamps, items: Items, seen: np.ndarray
    ) -> tuple[np.ndarray, str]:
        """The stamps, rounded if they are to be, and their step, which is one for all series.

        Args:
            table: The table, for messages.
            column: Its time column.
            stamps: Its stamps.
            items: Its series.
            seen: Where a target was observed: what lies between is no row of a series.

        Raises:
            DataError: if they have another step than they are said to have.
        """
        times, zone = stamps.times, stamps.zone
        step = self.step or self.trained
        seen = seen if seen.sum() > 1 else np.ones(len(times), dtype=bool)
        starts = items.starts_among(seen)
        observed = times[seen]
        if step is None:
            local = observed if zone is None or not far_apart(observed, starts) else zone.local(observed)
            step = infer_step(local, table.label, self.tolerance, starts)
        if self.tolerance is not None:
            times = self._rounded(table, column, stamps, step, items)
            observed = times[seen]
        if self.step is not None or self.trained is not None:
            self._refuse_other(table, observed, zone, step, starts)
        return times, step

    def of_known(self, table: Table, column: str, stamps: Stamps, items: Items) -> tuple[np.ndarray, str]:
        """The stamps of a table of inputs known ahead, rounded if they are to be, and the step; "" if it is unknown.

        Raises:
            DataError: if they have another step than they are said to have.
        """
        step = self.step or self.trained or ""
        if not step:
            return stamps.times, step
        times = self._rounded(table, column, stamps, step, items)
        self._refuse_other(table, times, stamps.zone, step, items.starts)
        return times, step

    def _refuse_other(
        self, table: Table, times: np.ndarray, zone: Zone | None, step: str, starts: np.ndarray | None
    ) -> None:
        local = zone is not None and (is_civil(step) or far_apart(times, starts))
        other = other_step(zone.local(times) if zone is not None and local else times, step, starts)
        if other is not None and self.trained is not None:
            raise DataError(
                f"{table.label}: the step of its rows is {other}, but the model was trained on {step}; give rows "
                "of that step"
            )
        if other is not None:
            raise DataError(
                f"{table.label}: the step of its rows is {other}, not {step}; say so: "
                f"data.source.step={other.split()[0]}, or let it be read: data.source.step=null"
            )

    def _rounded(self, table: Table, column: str, stamps: Stamps, step: str, items: Items) -> np.ndarray:
        """Stamps near to the grid of the step on it; how many were moved is logged."""
        times, zone, tolerance = stamps.times, stamps.zone, self.tolerance
        if tolerance is None:
            return times
        local = zone.local(times) if zone is not None and is_civil(step) else times
        rounded = np.concatenate([round_to_grid(own, step, tolerance) for own in np.split(local, items.starts[1:])])
        moved = rounded != local
        twice = np.flatnonzero((np.diff(rounded) <= np.timedelta64(0, "ns")) & ~items.first[1:])
        if len(twice):
            row = int(twice[0]) + 1
            raise DataError(
                f"{table.where(row, column)}: found {table.found(row, column)!r}{items.of(row)}, which belongs to the "
                f"same stamp of the {step} grid as {table.row(row - 1)} within the tolerance of {_length(tolerance)}; "
                "choose a smaller data.source.tolerance"
            )
        if not moved.any():
            return times
        log.info(
            "%s: %d of %d stamps rounded to the %s grid, by %s at most (tolerance %s)",
            *(table.label, moved.sum(), len(times), step, _length(np.abs(rounded - local).max())),
            _length(tolerance),
        )
        return zone.utc(rounded) if zone is not None and is_civil(step) else rounded


def _length(length: np.timedelta64) -> str:
    """A duration in words: "21s"."""
    return alias(length) if length else "0s"

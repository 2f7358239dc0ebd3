"""Policies for panels whose rows are not regular in time."""

import logging
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import ClassVar, final

import numpy as np

from recast.data.panel import Panel
from recast.data.prepare.lattice import Lattice, find_lattice, is_regular
from recast.data.sources.stamps import stamp_text
from recast.errors import DataError
from recast.options import PositiveInt, checked

log = logging.getLogger(__name__)


class Grid(ABC):
    """Makes each piece of a panel regular: every row one step after the previous one.

    The grid of a piece has the panel's step and the phase of most of its rows ("10min": :03, :13, ... is as good as
    :00, :10, ...). Everything dropped or filled is counted in the log. Rows with unobserved values are dropped first,
    unless the policy keeps them.

    A new policy subclasses this and implements `regular`.

    Attributes:
        masks: Whether values that were not observed are kept as such, for models that read masks.
    """

    masks: ClassVar[bool] = False

    def apply(self, panel: Panel) -> Panel:
        """The panel on its grid.

        Args:
            panel: Its pieces are processed one by one.

        Raises:
            DataError: if the panel does not suit this policy.
            ConfigurationError: if the panel's step is unknown.
        """
        dropped = np.asarray(np.isnan(panel.values).any(axis=1))
        if self.masks or not dropped.any():
            return self.regular(panel)
        log.info("%s: %d of %d rows dropped: a value was not observed", panel.label, dropped.sum(), len(panel))
        if dropped.all():
            raise DataError(
                f"{panel.label}: no row has all of its values observed; use fewer columns, or data/grid=mask"
            )
        return self.regular(panel.without(dropped))

    @abstractmethod
    def regular(self, panel: Panel) -> Panel:
        """The panel on its grid, all of its values observed unless the policy keeps others; see `apply`."""


@final
class ErrorGrid(Grid):
    """Accepts regular series only: a missing stamp or a row off the grid is an error."""

    def regular(self, panel: Panel) -> Panel:
        """The panel unchanged.

        Raises:
            DataError: if it is not regular; names the first offending stamp and their number.
        """
        times = panel.clock
        if is_regular(times, panel.starts, panel.step):
            return panel
        missing, off, first = 0, 0, None
        for start, stop in panel.pieces:
            lattice = find_lattice(times[start:stop], panel.step)
            missing += lattice.missing
            off += lattice.off
            first = first or _first_offence(times[start:stop], lattice)
        if first is None:
            return panel
        raise DataError(
            f"{panel.label}: not regular: {missing} stamps of the {panel.step} grid are missing and {off} rows lie "
            f"off it; the first offence is {first}; expected a row at each step. Choose what to do with them by "
            "another grid: split (cut there), interpolate (fill short gaps), mask (keep them as not observed), rows "
            "(ignore time); or state another step"
        )


@final
class SplitGrid(Grid):
    """Drops rows off the grid, then cuts the series into pieces where stamps are missing: only observations remain."""

    def regular(self, panel: Panel) -> Panel:
        """The rows on the grid, in pieces without a gap.

        Raises:
            DataError: if no row lies on the grid.
        """
        return _put_on_grid(panel, longest=0)


@final
class InterpolateGrid(Grid):
    """Fills short gaps by linear interpolation in time, channel by channel, and cuts at long ones.

    A run of missing stamps is filled if it is not longer than `max_steps`. Rows off the grid also serve as
    interpolation points, and are then dropped. Rows on the grid are unchanged.

    Args:
        max_steps: Longest run of missing stamps that is filled. [steps]
    """

    @checked
    def __init__(self, *, max_steps: PositiveInt) -> None:
        self.max_steps = max_steps

    def regular(self, panel: Panel) -> Panel:
        """The rows on the grid and those filled in between, in pieces without a gap.

        Raises:
            DataError: if no row lies on the grid.
        """
        return _put_on_grid(panel, longest=self.max_steps)


@final
class MaskGrid(Grid):
    """Keeps missing stamps as rows without observations, for models that read masks; cuts at long gaps.

    Rows off the grid are dropped. In partly observed rows only the unobserved values are missing.

    Args:
        max_steps: Longest run of missing stamps that is kept; none: any. [steps]
    """

    masks: ClassVar[bool] = True

    @checked
    def __init__(self, *, max_steps: PositiveInt | None = None) -> None:
        self.max_steps = max_steps

    def regular(self, panel: Panel) -> Panel:
        """The rows on the grid and empty ones in between, in pieces without a longer gap.

        Raises:
            DataError: if no row lies on the grid.
        """
        return _put_on_grid(panel, longest=self.max_steps or np.iinfo(np.int64).max, fill=False)


@final
class RowsGrid(Grid):
    """Ignores time: rows are treated as consecutive steps, whatever their stamps.

    This is what reading a file into an array does. Windows may then straddle gaps; use it to compare with results
    obtained that way.
    """

    def regular(self, panel: Panel) -> Panel:
        """The panel unchanged."""
        return panel


def _first_offence(times: np.ndarray, lattice: Lattice) -> str | None:
    """The earliest row off the grid or missing stamp, as text."""
    offences = [(stamp, f"{stamp_text(stamp)} (off the grid)") for stamp in times[~lattice.on][:1]]
    cut = np.flatnonzero(lattice.gaps)
    if len(cut):
        (stamp,) = lattice.stamps(lattice.positions[lattice.on][cut[:1]] + 1)
        offences.append((stamp, f"{stamp_text(stamp)} (missing)"))
    return min(offences)[1] if offences else None


def _put_on_grid(panel: Panel, longest: int, *, fill: bool = True) -> Panel:
    """Drops rows off the grid, adds rows for up to `longest` missing stamps, cuts at longer runs, and logs this.

    Args:
        panel: The panel.
        longest: Longest run of missing stamps that is turned into rows. [steps]
        fill: Whether these rows are interpolated; otherwise they are unobserved.
    """
    stamps_before = panel.clock
    if is_regular(stamps_before, panel.starts, panel.step):
        log.info("%s: %d rows, regular: %d piece(s)", panel.label, len(panel), len(panel.starts))
        return panel
    held = [place for place, column in enumerate(panel.columns) if column.is_category]
    times, values, starts, items, missing, off, rows = [], [], [], [], 0, 0, 0
    for (start, stop), item in zip(panel.pieces, panel.items, strict=True):
        lattice = find_lattice(stamps_before[start:stop], panel.step)
        places, parts = _fill_places(lattice, longest)
        stamps = lattice.stamps(places)
        piece = panel.values[start:stop]
        found = _at(stamps_before[start:stop], piece, lattice.on, stamps)
        if fill:
            _interpolate(found, stamps, stamps_before[start:stop], piece, held)
        times.append(stamps)
        values.append(found)
        starts.append(parts + rows)
        items.append(np.full(len(parts), item))
        rows += len(places)
        missing += lattice.missing
        off += lattice.off
    if not rows:
        raise DataError(
            f"{panel.label}: no row lies on the grid of the step {panel.step!r}; state the step the file has"
        )
    result = replace(
        panel,
        times=np.concatenate(times),
        values=np.concatenate(values),
        starts=np.concatenate(starts),
        items=np.concatenate(items),
    )
    log.info(
        "%s: %d rows, %d stamps missing, %d rows off the grid: %d rows dropped, %d stamps %s, %d piece(s)",
        *(panel.label, len(panel), missing, off, off, rows - (len(panel) - off), "filled" if fill else "masked"),
        len(result.starts),
    )
    return result


def _fill_places(lattice: Lattice, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """The positions kept and filled, ascending, and the index among them at which each part begins."""
    kept = lattice.positions[lattice.on]
    if not len(kept):
        return kept, np.zeros(0, dtype=np.int64)
    gaps = lattice.gaps
    lengths = np.append(np.where(gaps <= longest, gaps, 0), 0) + 1
    ends = np.cumsum(lengths)
    places = np.repeat(kept, lengths) + np.arange(ends[-1]) - np.repeat(ends - lengths, lengths)
    return places, np.append(0, ends[:-1][gaps > longest])


def _at(times: np.ndarray, values: np.ndarray, on: np.ndarray, stamps: np.ndarray) -> np.ndarray:
    """The values observed at `stamps`, NaN where `times` lacks the stamp."""
    result = np.full((len(stamps), values.shape[1]), np.nan)
    result[np.isin(stamps, times[on])] = values[on]
    return result


def _interpolate(found: np.ndarray, stamps: np.ndarray, times: np.ndarray, values: np.ndarray, held: list[int]) -> None:
    """Interpolates the rows of `found` without a value linearly; categories hold the last value."""
    empty = np.isnan(found).all(axis=1)
    if not empty.any():
        return
    # Relative to the first row: nanoseconds since 1970 are too coarse in float64.
    wanted, known = ((moments - times[0]).astype(float) for moments in (stamps[empty], times))
    last = np.searchsorted(known, wanted, side="right") - 1
    for channel in range(values.shape[1]):
        column = values[:, channel]
        found[empty, channel] = column[last] if channel in held else np.interp(wanted, known, column)

"""The positions of a series' rows on its regular grid."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from pandas.tseries.offsets import BaseOffset

from recast.data.sources.step import DAY, UNITS, alias, differences, fixed_step, infer_step, parse_step
from recast.errors import ConfigurationError, DataError

NONE = np.timedelta64(0, "ns")


@dataclass(frozen=True, eq=False)
class Lattice:
    """The regular grid of one piece, and the position of each row on it.

    Args:
        grid: The stamp of position 0 and the length of a step; for a calendar step all stamps.
        positions: Index of the last grid stamp not after each row, int64, shape (rows,).
        on: Whether the row lies on the grid exactly, shape (rows,).
    """

    grid: tuple[np.datetime64, np.timedelta64] | np.ndarray
    positions: np.ndarray
    on: np.ndarray

    def stamps(self, positions: np.ndarray) -> np.ndarray:
        """The time stamps of the given positions."""
        if isinstance(self.grid, tuple):
            origin, length = self.grid
            return origin + length * positions
        return self.grid[positions]

    @property
    def gaps(self) -> np.ndarray:
        """Stamps missing between each row on the grid and the next such row, shape (rows on the grid - 1,)."""
        return np.diff(self.positions[self.on]) - 1

    @property
    def missing(self) -> int:
        """Stamps missing between the first and the last row on the grid."""
        return int(self.gaps.sum())

    @property
    def off(self) -> int:
        """Rows off the grid."""
        return int(np.sum(~self.on))

    @property
    def regular(self) -> bool:
        """Whether no row is off the grid and no stamp is missing."""
        return bool(self.on.all()) and self.missing == 0


def find_lattice(times: np.ndarray, step: str) -> Lattice:
    """The grid of `times`: of all phases of a fixed step, the most frequent one (on ties the first).

    For a calendar step, the phase is the time of day; for one that begins months, quarters or years also the day, so
    that "MS" is as good for the 15th of each month as for the 1st. In a month without that day it is the last one.

    Args:
        times: Ascending stamps of one piece, `datetime64[ns]`, at least one.
        step: Distance between rows, a pandas offset alias.
    """
    length = fixed_step(step)
    if length is None:
        return _calendar_lattice(times, step)
    since = times - times[0]
    origin = times[0] + _mode(since % length)
    return _fixed_lattice(times, origin, length)


def _fixed_lattice(times: np.ndarray, origin: np.datetime64, length: np.timedelta64) -> Lattice:
    positions, rest = np.divmod(times - origin, length)
    return Lattice(grid=(origin, length), positions=positions, on=rest == NONE)


def _calendar_lattice(times: np.ndarray, step: str) -> Lattice:
    offset = parse_step(step)
    if begins_period(offset):
        anchors = periods(times[0], times[-1], offset)
        grid = in_periods(anchors, offset, _mode(times - anchors[np.searchsorted(anchors, times, side="right") - 1]))
    else:
        days = times.astype("datetime64[D]")
        hour = _mode(times - days)
        grid = periods(days[0] + hour, days[-1] + hour + np.timedelta64(1, "D"), offset)
    if offset.n > 1:
        positions = np.searchsorted(grid, times, side="right") - 1
        on = grid[positions] == times
        grid = grid[_mode(positions[on] % offset.n) :: offset.n] if on.any() else grid
    positions = np.searchsorted(grid, times, side="right") - 1
    return Lattice(grid=grid, positions=positions, on=grid[positions] == times)


def after(last: np.datetime64, step: str, count: int) -> np.ndarray:
    """The stamps that follow `last` on its own grid.

    Args:
        last: A stamp; for a calendar step a local one.
        step: Distance between rows, a pandas offset alias; a calendar step gives the next calendar dates ("B": business
            days).
        count: Number of stamps.

    Returns:
        `datetime64[ns]`, shape (count,).

    Raises:
        ConfigurationError: if the step is unknown.
    """
    last = last.astype("datetime64[ns]")
    length = fixed_step(step)
    if length is not None:
        return last + length * np.arange(1, count + 1)
    offset = parse_step(step)
    if begins_period(offset):
        anchor = periods(last, last, offset)[-1]
        times = in_periods(_dates(anchor, count + 1, offset), offset, last - anchor)
    else:
        # One more: the range begins with `last` only if that is a date on the calendar.
        times = _dates(last, count + 1, offset)
    return times[times > last][:count]


def begins_period(offset: BaseOffset) -> bool:
    """Whether a step leads from the beginning of a month, quarter or year to that of another."""
    return isinstance(offset, (pd.offsets.MonthBegin, pd.offsets.QuarterBegin, pd.offsets.YearBegin))


def periods(first: np.datetime64, last: np.datetime64, offset: BaseOffset) -> np.ndarray:
    """The dates of a calendar from two steps before `first` to `last`; those that begin a period are whole days."""
    unit = "D" if begins_period(offset) else "ns"
    ends = pd.DatetimeIndex(np.array([first, last]).astype(f"datetime64[{unit}]").astype("datetime64[ns]"))
    dates = pd.date_range((ends - 2 * offset)[0], ends[1], freq=offset.base)
    return dates.to_numpy().astype("datetime64[ns]")


def in_periods(begins: np.ndarray, offset: BaseOffset, phase: np.timedelta64) -> np.ndarray:
    """The stamp at a phase of each period, at the latest on its last day.

    Args:
        begins: The first day of each.
        offset: A step of such periods, one or several.
        phase: Time since the beginning of the period.
    """
    ends = (pd.DatetimeIndex(begins) + offset.base).to_numpy().astype("datetime64[ns]")
    return np.minimum(begins + phase, ends - DAY + phase % DAY)


def _dates(first: np.datetime64, count: int, offset: BaseOffset) -> np.ndarray:
    return pd.date_range(pd.Timestamp(first), periods=count, freq=offset).to_numpy().astype("datetime64[ns]")


def _mode(phases: np.ndarray) -> Any:
    found, first, counts = np.unique(phases, return_index=True, return_counts=True)
    best = np.flatnonzero(counts == counts.max())
    return found[best[np.argmin(first[best])]]


def is_regular(times: np.ndarray, starts: np.ndarray, step: str) -> bool:
    """Whether all pieces are regular, checked without a loop over them.

    Args:
        times: Stamps of all pieces, `datetime64[ns]`, ascending within a piece.
        starts: First row of each piece.
        step: Distance between rows, a pandas offset alias.

    Returns:
        True only if they are; for a calendar step it may be False if pieces differ in their time of day.
    """
    within = np.ones(max(len(times) - 1, 0), dtype=bool)
    within[starts[1:] - 1] = False
    length = fixed_step(step)
    if length is not None:
        return bool(np.all(np.diff(times)[within] == length))
    stamps, places = np.unique(times, return_inverse=True)
    lattice = find_lattice(stamps, step)
    return bool(lattice.on.all() and np.all(np.diff(lattice.positions[places])[within] == 1))


STRAY = 0.1
"""Share of rows that may lie off the dates of a calendar step; more say that the step is another."""


LEAST = 2
"""Equal differences that say what a step is."""


def other_step(times: np.ndarray, step: str, starts: np.ndarray | None = None) -> str | None:
    """The step that stamps have, where it is not `step`, as "1min (14999 of 14999 differences)"; otherwise None.

    The step of stamps is their most frequent difference, which gaps leave as it is; for a calendar step the most
    frequent number of its dates from row to row must be one, and nine rows of ten must lie on them.

    Args:
        times: Stamps, `datetime64[ns]`, ascending in each series.
        step: A pandas offset alias.
        starts: First row of each series; None: there is one.

    Raises:
        ConfigurationError: if the step is unknown.
    """
    found, counts = np.unique(differences(times, starts), return_counts=True)
    if counts.max(initial=0) < LEAST:
        return None
    length = fixed_step(step)
    if length is None:
        stamps, places = np.unique(times, return_inverse=True)
        lattice = find_lattice(stamps, step)
        on = lattice.on[places]
        steps = np.diff(lattice.positions[places][on])
        steps = steps[steps > 0]  # not from the end of a series back to the begin of the next one
        fits = (~on).sum() <= STRAY * len(times) and (not len(steps) or _mode(steps) == 1)
    else:
        fits = counts[found == length].sum() == counts.max()
    if fits:
        return None
    try:
        own = infer_step(times, "")
    except DataError:  # months of different kinds: what most of them are
        own = alias(found[counts.argmax()])
    return f"{own} ({counts.max()} of {counts.sum()} differences)"


def round_to_grid(times: np.ndarray, step: str, tolerance: np.timedelta64) -> np.ndarray:
    """Stamps that lie near to their grid on it; the others as they are.

    The phase of a fixed step is the roundest one that brings as many rows within the tolerance as the most frequent.

    Args:
        times: Ascending stamps, `datetime64[ns]`, at least one.
        step: Distance between rows, a pandas offset alias.
        tolerance: How near is near, less than half a step.

    Raises:
        ConfigurationError: if the tolerance is half a step or longer.
    """
    length = fixed_step(step)
    if length is None:
        return _nearest(times, find_lattice(times, step), tolerance)
    if 2 * tolerance >= length:
        raise ConfigurationError(
            f"tolerance={alias(tolerance)} is half of the step of {step} or longer; choose a shorter one"
        )
    origin = times[0] + _mode((times - times[0]) % length)
    around = (times - origin + length // 2) % length - length // 2
    middle = int((origin + np.sort(around)[len(around) // 2]).astype(np.int64))
    sizes = [size for size, _ in UNITS if size <= length.astype(int)]
    begins = [np.datetime64((middle + size // 2) // size * size, "ns") for size in sizes]
    rounded = [_nearest(times, _fixed_lattice(times, begin, length), tolerance) for begin in begins]
    near = [np.sum((found - begin) % length == NONE) for found, begin in zip(rounded, begins, strict=True)]
    return rounded[int(np.argmax(near))]


def _nearest(times: np.ndarray, lattice: Lattice, tolerance: np.timedelta64) -> np.ndarray:
    """Each stamp's nearest one on a grid, if it lies within the tolerance, otherwise the stamp."""
    last = lattice.positions.max() if isinstance(lattice.grid, tuple) else len(lattice.grid) - 2
    before, after = (lattice.stamps(np.minimum(lattice.positions, last) + more) for more in (0, 1))
    nearest = np.where(times - before <= after - times, before, after)
    return np.where(np.abs(nearest - times) <= tolerance, nearest, times)

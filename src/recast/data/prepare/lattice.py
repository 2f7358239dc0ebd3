"""The positions of a series' rows on its regular grid."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from recast.data.sources.step import fixed_step, parse_step


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

    For a calendar step, the phase is the time of day.

    Args:
        times: Ascending stamps of one piece, `datetime64[ns]`, at least one.
        step: Distance between rows, a pandas offset alias.
    """
    length = fixed_step(step)
    if length is None:
        return _calendar_lattice(times, step)
    since = times - times[0]
    origin = times[0] + _mode(since % length)
    positions, rest = np.divmod(times - origin, length)
    return Lattice(grid=(origin, length), positions=positions, on=rest == np.timedelta64(0, "ns"))


def _calendar_lattice(times: np.ndarray, step: str) -> Lattice:
    offset = parse_step(step)
    days = times.astype("datetime64[D]")
    hour = _mode(times - days)
    # Extends beyond the rows, so that the grid has a stamp before each of them.
    first = pd.DatetimeIndex(days[:1] + hour) - 2 * offset
    grid = (
        pd.date_range(first[0], days[-1] + hour + np.timedelta64(1, "D"), freq=offset.base)
        .to_numpy()
        .astype("datetime64[ns]")
    )
    if offset.n > 1:
        positions = np.searchsorted(grid, times, side="right") - 1
        on = grid[positions] == times
        grid = grid[_mode(positions[on] % offset.n) :: offset.n] if on.any() else grid
    positions = np.searchsorted(grid, times, side="right") - 1
    return Lattice(grid=grid, positions=positions, on=grid[positions] == times)


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

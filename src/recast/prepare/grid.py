"""What to do with a series whose rows are not regular in time."""

import logging
from abc import ABC, abstractmethod
from dataclasses import replace
from typing import final

import numpy as np

from recast.errors import DataError
from recast.options import PositiveInt, checked
from recast.prepare.lattice import Lattice, find_lattice, is_regular
from recast.types import Series

log = logging.getLogger(__name__)


class Grid(ABC):
    """Makes each piece of a series regular: every row one step after the row before.

    The grid of a piece has the series' step and the phase that most of its rows have ("10min": all at :03, :13, ...
    is as good as :00, :10, ...). Nothing is dropped or filled without a log line that counts it.
    """

    @abstractmethod
    def apply(self, series: Series) -> Series:
        """The series on its grid.

        Args:
            series: Its pieces are treated one by one.

        Raises:
            DataError: if the series is not fit for this policy.
            ConfigurationError: if the series' step is unknown.
        """


@final
class ErrorGrid(Grid):
    """Accepts regular series only: a missing stamp or a row off the grid is an error."""

    def apply(self, series: Series) -> Series:
        """The series as it is.

        Raises:
            DataError: if it is not regular; names the first offending stamp, and counts them.
        """
        if is_regular(series.times, series.starts, series.step):
            return series
        missing, off, first = 0, 0, None
        for start, stop in series.pieces:
            lattice = find_lattice(series.times[start:stop], series.step)
            missing += lattice.missing
            off += lattice.off
            first = first or _first_offence(series.times[start:stop], lattice)
        if first is None:
            return series
        raise DataError(
            f"{series.label}: not regular: {missing} stamps of the {series.step} grid are missing and {off} rows lie "
            f"off it; the first offence is {first}; expected a row at each step. Choose what to do with them by "
            "another grid: split (cut there), interpolate (fill short gaps), rows (ignore time); or state another step"
        )


@final
class SplitGrid(Grid):
    """Drops rows off the grid, then cuts the series into pieces where stamps are missing: observations only."""

    def apply(self, series: Series) -> Series:
        """The rows on the grid, in pieces without a gap.

        Raises:
            DataError: if no row lies on the grid.
        """
        return _put_on_grid(series, longest=0)


@final
class InterpolateGrid(Grid):
    """Fills short gaps by straight lines in time, channel by channel, and cuts at long ones.

    A run of missing stamps is filled if it is not longer than `max_steps`. Rows off the grid are ends of such lines
    too, and are dropped then. Rows on the grid stay as they are.

    Args:
        max_steps: Longest run of missing stamps that is filled. [steps]
    """

    @checked
    def __init__(self, *, max_steps: PositiveInt) -> None:
        self.max_steps = max_steps

    def apply(self, series: Series) -> Series:
        """The rows on the grid and those filled in between, in pieces without a gap.

        Raises:
            DataError: if no row lies on the grid.
        """
        return _put_on_grid(series, longest=self.max_steps)


@final
class RowsGrid(Grid):
    """Ignores time: rows follow each other as if each were one step after the last, whatever their stamps say.

    This is what reading a file into an array does. Windows then straddle gaps unseen; use it to compare with results
    obtained so.
    """

    def apply(self, series: Series) -> Series:
        """The series as it is."""
        return series


def _first_offence(times: np.ndarray, lattice: Lattice) -> str | None:
    """The earliest of the rows off the grid and the stamps missing, in words."""
    offences = [(stamp, f"{_text(stamp)} (off the grid)") for stamp in times[~lattice.on][:1]]
    cut = np.flatnonzero(lattice.gaps)
    if len(cut):
        (stamp,) = lattice.stamps(lattice.positions[lattice.on][cut[:1]] + 1)
        offences.append((stamp, f"{_text(stamp)} (missing)"))
    return min(offences)[1] if offences else None


def _text(stamp: np.datetime64) -> str:
    return str(stamp).replace("T", " ").removesuffix("000000000").removesuffix(".")


def _put_on_grid(series: Series, longest: int) -> Series:
    """Drops rows off the grid, fills runs of at most `longest` missing stamps, cuts at longer ones, and logs it."""
    if is_regular(series.times, series.starts, series.step):
        log.info("%s: %d rows, regular: %d piece(s)", series.label, len(series), len(series.starts))
        return series
    times, values, starts, missing, off, rows = [], [], [], 0, 0, 0
    for start, stop in series.pieces:
        lattice = find_lattice(series.times[start:stop], series.step)
        places, parts = _fill_places(lattice, longest)
        stamps = lattice.stamps(places)
        times.append(stamps)
        values.append(_interpolate(series.times[start:stop], series.values[start:stop], lattice.on, stamps))
        starts.append(parts + rows)
        rows += len(places)
        missing += lattice.missing
        off += lattice.off
    if not rows:
        raise DataError(
            f"{series.label}: no row lies on the grid of the step {series.step!r}; state the step the file has"
        )
    result = replace(series, times=np.concatenate(times), values=np.concatenate(values), starts=np.concatenate(starts))
    log.info(
        "%s: %d rows, %d stamps missing, %d rows off the grid: %d rows dropped, %d stamps filled, %d piece(s)",
        *(series.label, len(series), missing, off, off, rows - (len(series) - off), len(result.starts)),
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


def _interpolate(times: np.ndarray, values: np.ndarray, on: np.ndarray, stamps: np.ndarray) -> np.ndarray:
    """Values at `stamps`: those observed where `times` has the stamp, else on the line between its neighbours."""
    result = np.empty((len(stamps), values.shape[1]))
    observed = np.isin(stamps, times[on])
    result[observed] = values[on]
    if not observed.all():
        # Since the first row: the float64 of a stamp in nanoseconds since 1970 is too coarse.
        wanted, known = ((moments - times[0]).astype(float) for moments in (stamps[~observed], times))
        for channel in range(values.shape[1]):
            result[~observed, channel] = np.interp(wanted, known, values[:, channel])
    return result

"""Policies for panels whose rows are not regular in time."""

import logging
import math
from abc import ABC, abstractmethod
from bisect import bisect_left
from dataclasses import replace
from itertools import pairwise
from typing import ClassVar, final

import numpy as np

from recast.data.panel import Panel
from recast.data.sources.lattice import Lattice, find_lattice, is_regular, round_to_grid
from recast.data.sources.stamps import stamp_text
from recast.data.sources.step import UNITS, alias, fixed_step, from_wall_clock, wall_clock
from recast.data.spec import ImputerSpec
from recast.errors import DataError
from recast.options import PositiveInt, Probability, checked

log = logging.getLogger(__name__)


WORTH_A_WARNING = 0.1
"""Share of rows whose loss is worth a warning."""


class Grid(ABC):
    """Makes each piece of a panel regular: every row one step after the previous one.

    The grid of a piece has the panel's step and the phase of most of its rows ("10min": :03, :13, ... is as good as
    :00, :10, ...). Everything dropped or filled is counted in the log. Rows with unobserved values are dropped first,
    unless the policy keeps them.

    A new policy subclasses this and implements `regular`.

    Attributes:
        masks: Whether values that were not observed are kept as such, for models that read masks.
        hold: Whether networks read the last observation in their place.
        imputer: The imputation model whose values networks read in place of targets; None: none.
        most: Largest share of rows that may be dropped, and of rows that may be filled; more is an error, for most of
            the data would be lost or made up.
    """

    masks: ClassVar[bool] = False
    hold: bool = False
    imputer: ImputerSpec | None = None
    most: float = 0.5

    def apply(self, panel: Panel) -> Panel:
        """The panel on its grid.

        Args:
            panel: Its pieces are processed one by one.

        Raises:
            DataError: if the panel does not suit this policy.
            ConfigurationError: if the panel's step is unknown.
        """
        return self.regular(self._observed(panel))

    def apply_to_end(self, panel: Panel, steps: int) -> Panel:
        """The panel on its grid, for a reader of its last steps alone; what lies before them may be left out.

        Args:
            panel: One or many series.
            steps: Steps at the end of each that are read. [steps]

        Raises:
            DataError: if these do not suit this policy.
            ConfigurationError: if the panel's step is unknown.
        """
        return self.apply(panel)

    def _observed(self, panel: Panel) -> Panel:
        """The panel without rows with unobserved values, unless the policy keeps them."""
        dropped = np.asarray(np.isnan(panel.values).any(axis=1))
        if self.masks or not dropped.any():
            return panel
        level = logging.WARNING if dropped.sum() > WORTH_A_WARNING * len(panel) else logging.INFO
        log.log(
            level,
            "%s: %d of %d rows dropped: a value was not observed (%s)",
            *(panel.label, dropped.sum(), len(panel), _lacking(panel)),
        )
        _tell_ends(panel)
        if dropped.all():
            raise DataError(
                f"{panel.label}: no row has all of its values observed; use fewer columns, or data/grid=mask"
            )
        if dropped.sum() > self.most * len(panel):
            raise DataError(
                f"{panel.label}: {dropped.sum()} of {len(panel)} rows lack a value ({_lacking(panel)}) and would be "
                "dropped whole; use fewer columns, keep the gaps (data/grid=mask), or accept the loss: "
                f"data.grid.most={_share(int(dropped.sum()), len(panel))}"
            )
        return panel.without(dropped)

    @abstractmethod
    def regular(self, panel: Panel) -> Panel:
        """The panel on its grid, all of its values observed unless the policy keeps others; see `apply`."""


@final
class ErrorGrid(Grid):
    """Accepts regular series only: a missing stamp or a row off the grid is an error.

    Args:
        most: Largest share of rows that may be dropped because a value was not observed; more is an error. [share of
            rows]
    """

    @checked
    def __init__(self, *, most: Probability = 0.5) -> None:
        self.most = most

    def apply_to_end(self, panel: Panel, steps: int) -> Panel:
        """The regular rows at the end, if they are enough; irregularities before them do not matter.

        Raises:
            DataError: if the last `steps` rows are not regular.
        """
        panel = self._observed(panel)
        times, first = wall_clock(panel), np.zeros(1, dtype=np.int64)
        bounds = panel.bounds[np.append(np.flatnonzero(np.diff(panel.items, prepend=-1)), len(panel.items))]
        if is_regular(times, bounds[:-1], panel.step):
            return self.regular(panel)
        dropped = np.zeros(len(panel), dtype=bool)
        for start, stop in pairwise(bounds.tolist()):
            rows = range(start, max(stop - steps, start) + 1)
            # Regular from some row on is regular from each later one.
            own = times[:stop]
            begin = bisect_left(rows, True, key=lambda row, own=own: is_regular(own[row:], first, panel.step))
            dropped[start : start + (begin if begin < len(rows) else 0)] = True
        return self.regular(panel.without(dropped))

    def regular(self, panel: Panel) -> Panel:
        """The panel unchanged.

        Raises:
            DataError: if it is not regular; names the first offending stamp and their number.
        """
        times = wall_clock(panel)
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
            f"off it; the first offence is {first}; expected a row at each step. {_remedies(panel, missing, off)}"
        )


@final
class SplitGrid(Grid):
    """Drops rows off the grid, then cuts the series into pieces where stamps are missing: only observations remain.

    Args:
        most: Largest share of rows that may be dropped; more is an error. [share of rows]
    """

    @checked
    def __init__(self, *, most: Probability = 0.5) -> None:
        self.most = most

    def regular(self, panel: Panel) -> Panel:
        """The rows on the grid, in pieces without a gap.

        Raises:
            DataError: if no row lies on the grid.
        """
        return _put_on_grid(panel, self.most, longest=0)


@final
class InterpolateGrid(Grid):
    """Fills short gaps by linear interpolation in time, channel by channel, and cuts at long ones.

    A run of missing stamps is filled if it is not longer than `max_steps`. Rows off the grid also serve as
    interpolation points, and are then dropped. Rows on the grid are unchanged.

    Args:
        max_steps: Longest run of missing stamps that is filled. [steps]
        most: Largest share of rows that may be dropped, and of rows that may be filled; more is an error. [share of
            rows]
    """

    @checked
    def __init__(self, *, max_steps: PositiveInt, most: Probability = 0.5) -> None:
        self.max_steps = max_steps
        self.most = most

    def regular(self, panel: Panel) -> Panel:
        """The rows on the grid and those filled in between, in pieces without a gap.

        Raises:
            DataError: if no row lies on the grid.
        """
        return _put_on_grid(panel, self.most, longest=self.max_steps)


@final
class MaskGrid(Grid):
    """Keeps missing stamps as rows without observations, for models that read masks; cuts at long gaps.

    Rows off the grid are dropped. In partly observed rows only the unobserved values are missing.

    Args:
        max_steps: Longest run of missing stamps that is kept; none: any. [steps]
        hold: Whether networks read the last observation of the context where a target or past value was not observed,
            and 0, the mean of standardised data, before the first; otherwise 0 everywhere. The mask stands beside it. A
            trained model reads other data as those of its training.
        most: Largest share of rows that may be dropped; more is an error. [share of rows]
    """

    masks: ClassVar[bool] = True

    @checked
    def __init__(self, *, max_steps: PositiveInt | None = None, hold: bool = False, most: Probability = 0.5) -> None:
        self.max_steps = max_steps
        self.hold = hold
        self.most = most

    def regular(self, panel: Panel) -> Panel:
        """The rows on the grid and empty ones in between, in pieces without a longer gap.

        Raises:
            DataError: if no row lies on the grid.
        """
        return _with_gaps(panel, self.most, self.max_steps)


@final
class ImputeGrid(Grid):
    """Keeps what is missing as `MaskGrid`; networks read, in its place, what a trained imputation model makes of it.

    Each context is filled by itself, from its own observations, past inputs and inputs known ahead, when a forecast is
    made: what follows the origin reaches nothing. The mask stands beside the values. The imputation model stays as it
    is, and is part of the checkpoint of the forecasting model. Targets alone are filled; truths, scores, anchors and
    baselines read observations alone.

    Args:
        checkpoint: Checkpoint of a run of task=imputation, or the folder of that run. [file]
        max_steps: Longest run of missing stamps that is kept; none: any. [steps]
        hold: Whether networks read the last observation of the context where a past value was not observed, and 0, the
            mean of standardised data, before the first; otherwise 0 everywhere.
        most: Largest share of rows that may be dropped; more is an error. [share of rows]

    Attributes:
        imputer: What the model is built from; None until the program has read the checkpoint.
    """

    masks: ClassVar[bool] = True

    @checked
    def __init__(
        self,
        *,
        checkpoint: str,
        max_steps: PositiveInt | None = None,
        hold: bool = False,
        most: Probability = 0.5,
    ) -> None:
        self.checkpoint = checkpoint
        self.max_steps = max_steps
        self.hold = hold
        self.most = most

    def regular(self, panel: Panel) -> Panel:
        """The rows on the grid and empty ones in between, in pieces without a longer gap.

        Raises:
            DataError: if no row lies on the grid.
        """
        return _with_gaps(panel, self.most, self.max_steps)


def _with_gaps(panel: Panel, most: float, max_steps: int | None) -> Panel:
    """The rows on the grid and empty ones in between, in pieces without a gap of more than `max_steps`."""
    return _put_on_grid(panel, most, longest=max_steps or np.iinfo(np.int64).max, fill=False)


@final
class RowsGrid(Grid):
    """Ignores time: rows are treated as consecutive steps, whatever their stamps.

    This is what reading a file into an array does. Windows may then straddle gaps; use it to compare with results
    obtained that way.

    Args:
        most: Largest share of rows that may be dropped; more is an error. [share of rows]
    """

    @checked
    def __init__(self, *, most: Probability = 0.5) -> None:
        self.most = most

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


def _share(part: int, whole: int) -> float:
    """The share that an option must have to allow it: rounded up to hundredths."""
    return min(1.0, math.ceil(100 * part / whole) / 100)


def _lacking(panel: Panel) -> str:
    """The columns with the most values not observed, in words."""
    counts = np.isnan(panel.values).sum(axis=0)
    most = [place for place in np.argsort(-counts, kind="stable")[:3].tolist() if counts[place]]
    return ", ".join(f"{panel.columns[place].name!r} lacks {counts[place]}" for place in most)


def _tell_ends(panel: Panel) -> None:
    """Warns of columns that begin later or end earlier than the others, which take the rows of these with them."""
    if not panel.is_single:
        return
    seen = ~np.isnan(panel.values)
    first = np.where(seen.any(axis=0), seen.argmax(axis=0), len(panel))
    stop = np.where(seen.any(axis=0), len(panel) - seen[::-1].argmax(axis=0), 0)
    outside = first.max() + len(panel) - stop.min()
    if outside > first.min() + len(panel) - stop.max() and first.max() < stop.min():
        log.warning(
            "%s: %d of %d rows are dropped because not all columns cover the same time: %r begins at %s, %r ends at %s",
            *(panel.label, outside, len(panel), panel.columns[int(first.argmax())].name),
            *(stamp_text(panel.clock[first.max()]), panel.columns[int(stop.argmin())].name),
            stamp_text(panel.clock[stop.min() - 1]),
        )


def _likely(panel: Panel, off: int) -> str:
    """What rows off their grid, or many missing stamps, are likely to be, and the option that says so."""
    if off:
        farthest = _farthest(panel)
        if farthest is not None:
            return (
                f"all lie within {alias(farthest)} of it, as by a clock that runs unevenly: round them by "
                f"data.source.tolerance={alias(_round_up(farthest))}"
            )
        return "the series may have another step (data.source.step), or none that is fixed"
    return "the series may have another step: state it (data.source.step), or read fewer rows"


def _farthest(panel: Panel) -> np.timedelta64 | None:
    """How far the rows of one series lie off their grid, where that is a small part of the step; otherwise None."""
    length = fixed_step(panel.step)
    times = wall_clock(panel)
    if length is None or not panel.is_single or len(times) < 2:
        return None
    near = round_to_grid(times, panel.step, length // 10)
    lattice = find_lattice(near, panel.step)
    return None if lattice.off > len(times) // 100 else np.abs(near - times).max()


def _round_up(length: np.timedelta64) -> np.timedelta64:
    """The next longer length that is a whole number of tens of its unit or fewer: 21 s gives 30 s."""
    count = int(length.astype("timedelta64[ns]").astype(np.int64))
    digits = 10 ** max(len(str(count)) - 1, 0)
    for size, _ in UNITS:
        if count >= size:
            digits = size * 10 ** max(len(str(count // size)) - 1, 0)
            break
    return np.timedelta64((count // digits + 1) * digits, "ns")


def _remedies(panel: Panel, missing: int, off: int) -> str:
    """What to do about an irregular series, and what it would cost in rows."""
    farthest = _farthest(panel) if off else None
    if farthest is not None and off > len(panel) // 100:
        return f"The rows off it {_likely(panel, off).removeprefix('all ')}"
    costs = [
        *([f"the first three drop the {off} of {len(panel)} rows off the grid"] if off else []),
        *([f"interpolate makes up to {missing} rows"] if missing else []),
    ]
    return (
        "Choose what to do with them by another grid: split (cut there), interpolate (fill short gaps), mask (keep "
        f"them as not observed), rows (ignore time); {', '.join(costs)}; or state another step"
    )


def _put_on_grid(panel: Panel, most: float, longest: int, *, fill: bool = True) -> Panel:
    """Drops rows off the grid, adds rows for up to `longest` missing stamps, cuts at longer runs, and logs this.

    Args:
        panel: The panel.
        most: Largest share of rows that may be dropped or filled.
        longest: Longest run of missing stamps that is turned into rows. [steps]
        fill: Whether these rows are interpolated; otherwise they are unobserved.
    """
    stamps_before = wall_clock(panel)
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
    filled = rows - (len(panel) - off)
    if off > most * len(panel) or (fill and filled > most * rows):
        lost, all_rows = (off, len(panel)) if off > most * len(panel) else (filled, rows)
        what = f"{off} of {len(panel)} rows lie off the {panel.step} grid and would be dropped"
        made = f"{filled} of {rows} rows would be made up by interpolation"
        raise DataError(
            f"{panel.label}: {what if lost == off else made}; {_likely(panel, off)}; to do it all the same: "
            f"data.grid.most={_share(lost, all_rows)}"
        )
    result = replace(
        panel,
        times=from_wall_clock(panel, np.concatenate(times)),
        values=np.concatenate(values),
        starts=np.concatenate(starts),
        items=np.concatenate(items),
    )
    log.info(
        "%s: %d rows, %d stamps missing, %d rows off the grid: %d rows dropped, %d stamps %s, %d piece(s)",
        *(panel.label, len(panel), missing, off, off, filled, "filled" if fill else "masked"),
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

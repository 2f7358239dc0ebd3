"""Rows put on the grid of their panel: those off it dropped, missing ones added, longer gaps cut."""

import logging
from dataclasses import replace

import numpy as np

from recast.data.panel import Panel
from recast.data.prepare.irregular import likely, share_allowed
from recast.data.sources.lattice import Lattice, find_lattice, is_regular
from recast.data.sources.step import from_wall_clock, wall_clock
from recast.errors import DataError

log = logging.getLogger(__name__)


def put_on_grid(panel: Panel, most: float, longest: int, *, fill: bool = True) -> Panel:
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
            f"{panel.label}: {what if lost == off else made}; {likely(panel, off)}; to do it all the same: "
            f"data.grid.most={share_allowed(lost, all_rows)}"
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

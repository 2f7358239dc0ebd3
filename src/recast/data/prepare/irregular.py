"""What is irregular in a panel, in words, and the options that allow for it."""

import logging
import math

import numpy as np

from recast.data.panel import Panel
from recast.data.sources.lattice import Lattice, find_lattice, round_to_grid
from recast.data.sources.stamps import stamp_text
from recast.data.sources.step import UNITS, alias, fixed_step, wall_clock

log = logging.getLogger(__name__)


def first_offence(times: np.ndarray, lattice: Lattice) -> str | None:
    """The earliest row off the grid or missing stamp, as text."""
    offences = [(stamp, f"{stamp_text(stamp)} (off the grid)") for stamp in times[~lattice.on][:1]]
    cut = np.flatnonzero(lattice.gaps)
    if len(cut):
        (stamp,) = lattice.stamps(lattice.positions[lattice.on][cut[:1]] + 1)
        offences.append((stamp, f"{stamp_text(stamp)} (missing)"))
    return min(offences)[1] if offences else None


def share_allowed(part: int, whole: int) -> float:
    """The share that an option must have to allow it: rounded up to hundredths."""
    return min(1.0, math.ceil(100 * part / whole) / 100)


def lacking(panel: Panel) -> str:
    """The columns with the most values not observed, in words."""
    counts = np.isnan(panel.values).sum(axis=0)
    most = [place for place in np.argsort(-counts, kind="stable")[:3].tolist() if counts[place]]
    return ", ".join(f"{panel.columns[place].name!r} lacks {counts[place]}" for place in most)


def tell_ends(panel: Panel) -> None:
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


def likely(panel: Panel, off: int) -> str:
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


def remedies(panel: Panel, missing: int, off: int) -> str:
    """What to do about an irregular series, and what it would cost in rows."""
    farthest = _farthest(panel) if off else None
    if farthest is not None and off > len(panel) // 100:
        return f"The rows off it {likely(panel, off).removeprefix('all ')}"
    costs = [
        *([f"the first three drop the {off} of {len(panel)} rows off the grid"] if off else []),
        *([f"interpolate makes up to {missing} rows"] if missing else []),
    ]
    return (
        "Choose what to do with them by another grid: split (cut there), interpolate (fill short gaps), mask (keep "
        f"them as not observed), rows (ignore time); {', '.join(costs)}; or state another step"
    )

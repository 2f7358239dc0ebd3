"""Numbers that mean "not observed", such as -9999."""

from itertools import pairwise

import numpy as np

_NINES = [float("9" * count) / 10**decimals for count in range(3, 10) for decimals in range(5) if decimals < count - 1]
_FILLS = [
    *(32767.0, 32768.0, 65535.0, 2147483647.0, 2147483648.0, 4294967295.0),
    *(float(f"1e{power}") for power in range(20, 39)),
    *(9.96921e36, 9.969209968386869e36, 3.4028235e38, 3.40282e38, 3.402823466e38, float(np.finfo(np.float32).max)),
]
USUAL = np.array(sorted(sign * number for number in (*_NINES, *_FILLS) for sign in (-1, 1)))
"""Common sentinels: nines, the limits of integer and float types, fill values of NetCDF and similar formats."""

SHORT = np.array([-99.0, 99.0, 99.9, -99.9, -901.0, 901.0, -888.0, 888.0, -8888.0, 8888.0, -777.0, -7777.0])
"""Sentinels that may well be measured: they must also lie alone."""

DEVIATIONS = 20.0
"""Robust standard deviations from the median beyond which a common sentinel is treated as one."""
KINDS = 3
"""Different values that may lie apart from all others and still be called sentinels."""
ROWS = 1 << 17
"""Rows of several series that are looked at together."""
MEASURED = 10
"""Different values that a column must have beside those, so that it is measured, not a flag or a level."""


def find_sentinel(values: np.ndarray) -> tuple[int, float] | None:
    """The first value that looks like a sentinel: a common one, or any that is repeated, far from the other values.

    Far means more than 20 robust standard deviations (1.4826 times the median absolute deviation) from the median of
    the values that are not common sentinels; if that deviation is 0, 20 plain standard deviations from it. It lies
    outside of their range, too.

    Common ones that are not so far (-99 among temperatures) must lie alone: at most three such values, above or below
    all others, at a distance from the nearest of them that is larger than their whole range. Any other value must lie
    alone, be far, and be repeated exactly. Where a column has few different values, as a flag has, none is looked for.

    Args:
        values: One column, finite, shape (rows,).

    Returns:
        Row and value, or None.
    """
    usual = np.isin(values, USUAL)
    if usual.any() and not usual.all():
        others = values[~usual]
        outside = (values < others.min()) | (values > others.max())
        rows = np.flatnonzero(usual & outside & _far(values, others))
        if len(rows):
            return int(rows[0]), float(values[rows[0]])
    rows = np.flatnonzero(np.isin(values, _alone(values)))
    return (int(rows[0]), float(values[rows[0]])) if len(rows) else None


def find_sentinel_of_items(values: np.ndarray, starts: np.ndarray) -> tuple[int, float] | None:
    """The same for a column of several series, each looked at by itself, for they may differ in size.

    Args:
        values: One column, finite, shape (rows,).
        starts: First row of each series.

    Returns:
        Row and value of the first series that has one, or None.
    """
    bounds = np.append(starts, len(values))
    # Some series at a time, so that what is computed on the way stays small.
    blocks = np.unique([*np.searchsorted(starts, np.arange(0, len(values), ROWS)), len(starts)]).tolist()
    for begin, end in pairwise(blocks):
        begins = starts[begin:end]
        suspects = _may_have_one(values[bounds[begin] : bounds[end]], begins - bounds[begin])
        for item in (begin + np.flatnonzero(suspects)).tolist():
            first = int(bounds[item])
            found = find_sentinel(values[first : bounds[item + 1]])
            if found is not None:
                return first + found[0], found[1]
    return None


def _may_have_one(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Which series may have a sentinel, without a loop over them.

    One that is common lies at an end of its series. Others are few at one end, so far off that the middle between the
    ends of the series has them on one side, and all other values on the other.
    """
    ends = np.stack([extreme.reduceat(values, starts) for extreme in (np.minimum, np.maximum)])
    found = np.isin(ends, USUAL).any(axis=0)
    rows = np.diff(starts, append=len(values))
    for sign, (low, high) in ((1.0, ends), (-1.0, -ends[::-1])):
        rest = sign * values
        above = rest > np.repeat((low + high) / 2, rows)
        for _ in range(KINDS):
            top = np.maximum.reduceat(np.where(above, rest, -np.inf), starts)
            above &= rest < np.repeat(top, rows)
        found |= ~np.logical_or.reduceat(above, starts)
    return found


def _far(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Where a value lies far from the others, see `find_sentinel`."""
    middle = np.median(others)
    spread = 1.4826 * np.median(np.abs(others - middle)) or others.std()
    return np.abs(values - middle) > DEVIATIONS * spread


def _alone(values: np.ndarray) -> np.ndarray:
    """The values at one end that are common sentinels or repeated, and lie alone; see `find_sentinel`."""
    found, counts = np.unique(values, return_counts=True)
    common = np.isin(found, USUAL) | np.isin(found, SHORT)
    for number in range(1, min(KINDS, len(found) - MEASURED) + 1):
        for ends, rest in ((slice(None, number), slice(number, None)), (slice(-number, None), slice(None, -number))):
            apart, others = found[ends], found[rest]
            gap = max(others[0] - apart[-1], apart[0] - others[-1])
            if gap > others[-1] - others[0]:
                far = _far(apart, np.repeat(others, counts[rest]))
                if (common[ends] | (far & (counts[ends] > 1))).all():
                    return apart
    return found[:0]

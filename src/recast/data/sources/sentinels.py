"""Numbers that mean "not observed", such as -9999."""

import numpy as np

_NINES = [float("9" * count) / 10**decimals for count in range(3, 9) for decimals in (0, 1, 2)]
_FILLS = [32767.0, 32768.0, 2147483647.0, 2147483648.0, 1e20, 1e30, 1e34, 1e35, 9.96921e36, 9.969209968386869e36]
USUAL = np.array(sorted(sign * number for number in (*_NINES, *_FILLS) for sign in (-1, 1)))
"""Common sentinels: nines, the limits of integer types, fill values of NetCDF and similar formats."""

DEVIATIONS = 20.0
"""Robust standard deviations from the median beyond which a common sentinel is treated as one."""


def find_sentinel(values: np.ndarray) -> tuple[int, float] | None:
    """The first value that looks like a sentinel: one of the `USUAL`, and far from the other values.

    Far means more than 20 robust standard deviations (1.4826 times the median absolute deviation) from the median of
    the values that are not common sentinels; if that deviation is 0, 20 plain standard deviations from it.

    Args:
        values: One column, finite, shape (rows,).

    Returns:
        Row and value, or None.
    """
    usual = np.isin(values, USUAL)
    if not usual.any() or usual.all():
        return None
    others = values[~usual]
    middle = np.median(others)
    spread = 1.4826 * np.median(np.abs(others - middle)) or others.std()
    rows = np.flatnonzero(usual & (np.abs(values - middle) > DEVIATIONS * spread))
    return (int(rows[0]), float(values[rows[0]])) if len(rows) else None

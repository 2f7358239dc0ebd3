"""Validates samples for the tests: one-dimensional, finite, long enough."""

from collections.abc import Sequence

import numpy as np

from recast.errors import ConfigurationError, DataError

ROUNDING = 8 * np.finfo(np.float64).eps


def sample(values: Sequence[float] | np.ndarray, name: str, *, least: int = 1) -> np.ndarray:
    """`values` as an array of floats.

    Args:
        values: The sample.
        name: Its name in messages.
        least: Smallest number of values.

    Raises:
        DataError: if it is not one-dimensional, too short, or holds NaN or infinity.
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise DataError(f"{name} has shape {array.shape}, expected one dimension")
    if len(array) < least:
        raise DataError(f"{name} has {len(array)} values, at least {least} are needed")
    wrong = np.flatnonzero(~np.isfinite(array))
    if len(wrong):
        raise DataError(
            f"{name}: value {wrong[0] + 1} of {len(array)} is {array[wrong[0]]} ({len(wrong)} such in all); "
            "leave out what failed, and say so, or compare what is left"
        )
    return array


def pairs(
    a: Sequence[float] | np.ndarray, b: Sequence[float] | np.ndarray, names: tuple[str, str], *, least: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """`a` and `b` as arrays of paired floats.

    Args:
        a: First sample.
        b: Second sample, of the same length.
        names: Their names in messages.
        least: Smallest number of pairs.

    Raises:
        DataError: as for `sample`, or if the lengths differ.
    """
    first, second = sample(a, names[0], least=least), sample(b, names[1], least=least)
    if len(first) != len(second):
        raise DataError(
            f"{names[0]} has {len(first)} values and {names[1]} {len(second)}; pairs must be complete: "
            "leave out what has no partner, or compare them as unpaired"
        )
    return first, second


def differences(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Differences a - b, with those due to rounding set to 0."""
    gaps = a - b
    gaps[np.abs(gaps) <= ROUNDING * np.maximum(np.abs(a), np.abs(b))] = 0
    return gaps


def check_level(alpha: float) -> None:
    """Raises ConfigurationError unless the significance level `alpha` lies between 0 and 1."""
    if not 0 < alpha < 1:
        raise ConfigurationError(f"alpha={alpha}: a significance level lies between 0 and 1, for example 0.05")

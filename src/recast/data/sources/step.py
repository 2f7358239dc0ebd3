"""The distance between rows: fixed ("10min", "h", "D") or a calendar step ("B", "MS")."""

import numpy as np
import pandas as pd
from pandas.tseries.offsets import BaseOffset

from recast.errors import ConfigurationError, DataError

DAY = np.timedelta64(1, "D").astype("timedelta64[ns]")
MONTH = 28 * DAY
"""Differences from here on are months, quarters or years, which have no fixed length."""

UNITS = (
    (86_400_000_000_000, "D"),
    (3_600_000_000_000, "h"),
    (60_000_000_000, "min"),
    (1_000_000_000, "s"),
    (1_000_000, "ms"),
    (1_000, "us"),
    (1, "ns"),
)
"""Nanoseconds of each unit, and pandas' alias for it."""


def parse_step(step: str) -> BaseOffset:
    """The pandas offset that `step` names.

    Raises:
        ConfigurationError: if `step` is not a pandas offset alias, or does not go forward.
    """
    remedy = 'expected a pandas offset alias such as "10min", "h", "D", "B" (business days) or "MS" (month starts)'
    try:
        offset = pd.tseries.frequencies.to_offset(step)
    except ValueError as error:
        raise ConfigurationError(f"step={step!r} is unknown; {remedy}") from error
    if offset is None or offset.n < 1:
        raise ConfigurationError(f"step={step!r} does not go forward; {remedy}")
    return offset


def fixed_step(step: str) -> np.timedelta64 | None:
    """The length of `step`; None for a calendar step, which has none.

    Raises:
        ConfigurationError: if `step` is not a pandas offset alias, or does not go forward.
    """
    offset = parse_step(step)
    if isinstance(offset, pd.offsets.Day):  # not a Tick since pandas 3, but stamps in UTC or without zone know no DST
        return offset.n * DAY
    if isinstance(offset, pd.offsets.Tick):
        return np.timedelta64(offset.nanos, "ns")
    return None


def infer_step(times: np.ndarray, label: str) -> str:
    """The most frequent difference of `times` as a pandas alias; of equally frequent ones the shortest.

    Daily stamps that leave out every Saturday and Sunday have the step "B".

    Args:
        times: Ascending stamps, `datetime64[ns]`.
        label: What they were read from, for messages.

    Raises:
        DataError: if there are fewer than two stamps, or the difference is that of a month or longer.
    """
    if len(times) < 2:
        raise DataError(f"{label}: {len(times)} row(s); a step needs two at least; state it (data.source.step=10min)")
    differences, counts = np.unique(np.diff(times), return_counts=True)
    step = differences[counts.argmax()]
    if step >= MONTH:
        days = int(step / DAY)
        raise DataError(
            f"{label}: the most frequent difference of stamps is {days} days, of no fixed length in a calendar; "
            "state the step: data.source.step=MS (month starts), ME (month ends), QS, YS, or for example 28D"
        )
    if step == DAY and 3 * DAY in differences and np.is_busday(times.astype("datetime64[D]")).all():
        return "B"
    length = step.astype(int)
    size, unit = next((size, unit) for size, unit in UNITS if length % size == 0)
    return unit if length == size else f"{length // size}{unit}"

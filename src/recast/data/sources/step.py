"""The distance between rows: fixed ("10min", "h", "D") or a calendar step ("B", "MS")."""

import numpy as np
import pandas as pd
from pandas.tseries.offsets import BaseOffset

from recast.data.panel import Panel
from recast.errors import ConfigurationError, DataError

DAY = np.timedelta64(1, "D").astype("timedelta64[ns]")
HOUR = np.timedelta64(1, "h").astype("timedelta64[ns]")
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


def is_civil(step: str) -> bool:
    """Whether `step` counts days, weeks, months or years of a calendar, whose length depends on the clocks of a place.

    Raises:
        ConfigurationError: if `step` is not a pandas offset alias, or does not go forward.
    """
    return not isinstance(parse_step(step), pd.offsets.Tick)


def wall_clock(panel: Panel) -> np.ndarray:
    """The stamps by which a panel's step counts, `datetime64[ns]`: local ones for days and longer, where known.

    Raises:
        ConfigurationError: if the step is unknown.
    """
    return panel.clock if panel.zone is None or not is_civil(panel.step) else panel.zone.local(panel.clock)


def from_wall_clock(panel: Panel, times: np.ndarray) -> np.ndarray:
    """The inverse of `wall_clock` for any stamps on the clock of a panel's step."""
    return times if panel.zone is None or not is_civil(panel.step) else panel.zone.utc(times)


def duration(text: str, option: str = "tolerance") -> np.timedelta64:
    """The length that a pandas duration such as "30s" names.

    Args:
        text: The duration.
        option: What it was given as, for messages.

    Raises:
        ConfigurationError: if it names none, or one that is not positive.
    """
    try:
        length = pd.to_timedelta(text)
    except ValueError:
        length = pd.NaT
    if not length > pd.Timedelta(0):  # NaT is not, which an empty text is
        raise ConfigurationError(f'{option}={text!r} is no length of time; expected one such as "30s" or "500ms"')
    return np.timedelta64(length.value, "ns")


def differences(numbers: np.ndarray, starts: np.ndarray | None = None) -> np.ndarray:
    """Each number less the one before it.

    Args:
        numbers: Of one series after the other.
        starts: First row of each series, whose number follows none; None: there is one series.
    """
    found = np.diff(numbers)
    return found if starts is None or len(starts) < 2 else np.delete(found, starts[1:] - 1)


def far_apart(times: np.ndarray, starts: np.ndarray | None = None) -> bool:
    """Whether stamps lie a day or longer apart, or an hour less where clocks are turned.

    Args:
        times: Stamps, ascending in each series.
        starts: First row of each series; None: there is one.
    """
    apart = differences(times, starts)
    return len(apart) > 0 and bool(apart.min() >= DAY - HOUR)


def infer_step(
    times: np.ndarray, label: str, tolerance: np.timedelta64 | None = None, starts: np.ndarray | None = None
) -> str:
    """The most frequent difference of `times` as a pandas alias; of equally frequent ones the shortest.

    Daily stamps that leave out every Saturday and Sunday have the step "B". Stamps on the same day of each month, each
    quarter and so on have the step "MS", "3MS" and so on; on the last days of months "ME", "3ME".

    Args:
        times: Stamps, `datetime64[ns]`, ascending in each series; where the step is a day or longer, local ones.
        label: What they were read from, for messages.
        tolerance: How far stamps may lie off their grid: the step is then the roundest number of seconds, minutes, ...
            near to the most frequent differences. None: they lie on it.
        starts: First row of each series; None: there is one.

    Raises:
        DataError: if there are fewer than two stamps, or the difference is that of a month or longer, but neither fixed
            nor that of a calendar.
    """
    apart, counts = np.unique(differences(times, starts), return_counts=True)
    if not len(apart):
        each = " in each series" if len(times) > 1 else ""
        raise DataError(
            f"{label}: {min(len(times), 1)} row(s){each}; a step needs two at least; state it (data.source.step=10min)"
        )
    step = apart[counts.argmax()] if tolerance is None else _near(apart, counts, tolerance)
    if step >= MONTH:
        months = _months(times, starts)
        if months is not None:
            return months
        if len(apart) > 1:
            days = int(step / DAY)
            raise DataError(
                f"{label}: the most frequent difference of stamps is {days} days, of no fixed length in a calendar; "
                "state the step: data.source.step=MS (months), ME (month ends), QS, YS, or for example 28D"
            )
    if step == DAY and 3 * DAY in apart and np.is_busday(times.astype("datetime64[D]")).all():
        return "B"
    return alias(step)


def _near(lengths: np.ndarray, counts: np.ndarray, tolerance: np.timedelta64) -> np.timedelta64:
    """The roundest length near to most differences: the coarsest unit that changes their median by a hundredth at most.

    Args:
        lengths: Different ones, ascending.
        counts: How often each is found.
        tolerance: How far a stamp may lie off its grid.
    """
    # Two stamps may be off in opposite directions.
    first = np.searchsorted(lengths, lengths - 2 * tolerance, side="left")
    stop = np.searchsorted(lengths, lengths + 2 * tolerance, side="right")
    total = np.concatenate([[0], np.cumsum(counts)])
    best = int((total[stop] - total[first]).argmax())
    cluster = slice(first[best], stop[best])
    middle = int(np.median(np.repeat(lengths[cluster].astype(np.int64), counts[cluster])))
    for size, _ in UNITS:
        rounded = (middle + size // 2) // size * size
        if rounded and abs(rounded - middle) <= middle / 100:
            return np.timedelta64(rounded, "ns")
    return np.timedelta64(middle, "ns")


def alias(length: np.timedelta64) -> str:
    """A fixed length as a pandas alias: "10min", "h"."""
    count = length.astype("timedelta64[ns]").astype(int)
    size, unit = next((size, unit) for size, unit in UNITS if count % size == 0)
    return unit if count == size else f"{count // size}{unit}"


def _months(times: np.ndarray, starts: np.ndarray | None = None) -> str | None:
    """The step of stamps that lie a number of months apart, on the same day of the month or its last; else None."""
    days, months = times.astype("datetime64[D]"), times.astype("datetime64[M]")
    if (times - days != times[0] - days[0]).any():
        return None
    place = (days - months.astype("datetime64[D]")).astype(int)
    last = ((months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")).astype(int) - 1
    apart, counts = np.unique(differences(months.astype(int), starts), return_counts=True)
    number = int(apart[counts.argmax()])
    if (place == last).all():
        ending = "ME"
    elif (place == np.minimum(place.max(), last)).all():
        ending = "MS"
    else:
        return None
    return ending if number == 1 else f"{number}{ending}"

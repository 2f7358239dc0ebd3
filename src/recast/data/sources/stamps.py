"""The time column of a table."""

import re
from difflib import get_close_matches
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import numpy as np
import pandas as pd

from recast.data.sources.table import Table
from recast.data.zone import Zone, zone_of
from recast.errors import ConfigurationError, DataError

DoubledHour = Literal["order", "summer", "winter"]
HOUR = np.timedelta64(3_600_000_000_000, "ns")
SUNDAY = 6

ZONE = r"(?:[T ]\d[\d:.,]*[+-]\d\d(?::?\d\d)?|Z)\s*$"
REMEDY = "expected ISO 8601, such as 2020-01-31 or 2020-01-31 23:50:00+00:00; rewrite the column"


def stamp_text(stamp: Any) -> str:
    """A `datetime64` as messages show it: "2020-01-31 23:50:00"."""
    return str(stamp.astype("datetime64[ns]")).replace("T", " ").removesuffix("000000000").removesuffix(".")


class Stamps(NamedTuple):
    """The time column of a table.

    Args:
        times: The stamps, UTC where they have a zone, `datetime64[ns]`, ascending, shape (rows,).
        timezone: "UTC" if they have a zone or offset, or one was given for them, otherwise None.
        zone: Local time, where it is known and not UTC; otherwise None.
    """

    times: np.ndarray
    timezone: str | None
    zone: Zone | None


def parse_stamps(
    table: Table, column: str, words: pd.Series, timezone: str | None = None, doubled: DoubledHour = "order"
) -> Stamps:
    """Time stamps, strictly ascending.

    Only ISO 8601 is read: 01/02/2020 would be a guess. Stamps with a zone or offset are converted to UTC.

    Args:
        table: The table, for messages.
        column: The time column's name.
        words: The column's content.
        timezone: The zone whose clocks gave stamps that have none, an IANA name; None: such stamps stay as they are.
        doubled: Which hour a stamp without zone means that comes twice when clocks are turned back.

    Raises:
        DataError: if a stamp is empty, not ISO 8601, outside 1678 to 2261, left out by the clocks of the zone, or not
            later than the previous one; or if only some stamps have a zone.
    """
    _refuse_first(table, column, words.isna().to_numpy(dtype=bool), "an empty stamp", REMEDY)
    offsets = None
    if pd.api.types.is_datetime64_any_dtype(words.dtype):
        stamps = pd.DatetimeIndex(words)
    else:
        words = words.astype(str)
        stamps = pd.DatetimeIndex(_parsed(table, column, words))
        offsets = None if stamps.tz is None else _offsets(words)
    _refuse_out_of_range(table, column, stamps)
    zone = None if timezone is None else Zone(timezone)
    if stamps.tz is None and timezone is not None:
        stamps = _localised(table, column, stamps, timezone, doubled)
    if stamps.tz is None:
        times = stamps.to_numpy().astype("datetime64[ns]")
        _refuse_disorder(table, column, times, local=True)
        return Stamps(times, None, None)
    times = stamps.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[ns]")
    _refuse_disorder(table, column, times, local=False)
    if zone is None and offsets is None and is_zone(str(stamps.tz)):
        zone = Zone(str(stamps.tz))
    elif zone is None:
        own = stamps.tz_localize(None).to_numpy().astype("datetime64[ns]") - times if offsets is None else offsets
        zone = zone_of(times, own)
    return Stamps(times, "UTC", zone)


def check_zone(owner: str, timezone: str | None) -> None:
    """Raises ConfigurationError if `timezone` names no zone of the IANA database."""
    if timezone is not None and not is_zone(timezone):
        near = get_close_matches(timezone, available_timezones(), n=2)
        hint = f"did you mean {' or '.join(near)}? " if near else ""
        raise ConfigurationError(
            f"{owner}: timezone={timezone!r} is no zone; {hint}expected an IANA name such as Europe/Berlin or UTC"
        )


def is_zone(name: str) -> bool:
    """Whether the IANA database has a zone of that name."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def _refuse_out_of_range(table: Table, column: str, stamps: pd.DatetimeIndex) -> None:
    years = stamps.year.to_numpy()
    _refuse_first(table, column, (years < 1678) | (years > 2261), "a stamp out of range", "expected 1678 to 2261")


def _offsets(words: pd.Series) -> np.ndarray:
    """Local time less UTC of stamps with a zone or offset, `timedelta64[ns]`."""
    codes, ends = pd.factorize(words.str.rstrip().str[-6:])
    found = np.zeros(len(ends), dtype="timedelta64[ns]")
    for place, end in enumerate(ends):
        match = re.search(r"([+-])(\d\d):?(\d\d)?$", str(end))
        if match is not None:
            sign, hours, minutes = match.groups()
            length = np.timedelta64(60 * int(hours) + int(minutes or 0), "m")
            found[place] = -length if sign == "-" else length
    return found[codes]


def _localised(
    table: Table, column: str, stamps: pd.DatetimeIndex, timezone: str, doubled: DoubledHour
) -> pd.DatetimeIndex:
    """Stamps by the clocks of a zone, with that zone."""
    summer = np.full(len(stamps), doubled != "winter")
    left_out = stamps.tz_localize(timezone, ambiguous=summer, nonexistent="NaT").isna()
    _refuse_first(
        table,
        column,
        np.asarray(left_out),
        f"an hour that the clocks of {timezone} leave out",
        "expected stamps by those clocks; state the zone that the stamps have: data.source.timezone=...",
    )
    if doubled == "order":
        twice = stamps.tz_localize(timezone, ambiguous="NaT", nonexistent="shift_forward").isna()
        _divide_doubled(table, column, stamps, np.asarray(twice), summer)
    return stamps.tz_localize(timezone, ambiguous=summer)


def _divide_doubled(table: Table, column: str, stamps: pd.DatetimeIndex, twice: np.ndarray, summer: np.ndarray) -> None:
    """Of each run of stamps in a doubled hour those up to the step back in summer time, the others after it."""
    times = stamps.to_numpy()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], twice, [False]]).astype(int)))
    for begin, stop in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        back = np.flatnonzero(np.diff(times[begin:stop]) <= np.timedelta64(0, "ns"))
        if not len(back):
            raise DataError(
                f"{table.where(begin, column)}: found {table.found(begin, column)!r}, an hour that comes twice when "
                "the clocks are turned back, but stands here once; say which of the two it is: "
                "data.source.doubled_hour=summer (the first) or winter (the second)"
            )
        summer[begin + back[0] + 1 : stop] = False


def _parsed(table: Table, column: str, words: pd.Series) -> pd.Series:
    """Words as stamps; those with a zone or offset in UTC."""
    # pandas reads the words "now" and "today" too.
    worded = ~words.str.match(r"\s*\d").to_numpy(dtype=bool)
    _refuse_first(table, column, worded, "no time stamp", REMEDY)
    zoned = words.str.contains(ZONE).to_numpy(dtype=bool)
    odd = "a stamp with a zone" if not zoned[0] else "a stamp without a zone"
    remedy = "the rows before are otherwise; write all stamps with a zone or offset, or all without"
    _refuse_first(table, column, zoned != zoned[0], odd, remedy)
    parsed = pd.Series(pd.to_datetime(words, format="ISO8601", utc=bool(zoned[0]), errors="coerce"))
    _refuse_first(table, column, parsed.isna().to_numpy(dtype=bool), "no time stamp", REMEDY)
    return parsed


def _refuse_first(table: Table, column: str, wrong: np.ndarray, what: str, remedy: str) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(f"{table.where(row, column)}: found {table.found(row, column)!r}, {what}; {remedy}")


def _refuse_disorder(table: Table, column: str, times: np.ndarray, *, local: bool) -> None:
    late = np.flatnonzero(np.diff(times) <= np.timedelta64(0, "ns"))
    if not len(late):
        return
    order = np.argsort(times, kind="stable")
    same = np.flatnonzero(np.diff(times[order]) == np.timedelta64(0, "ns"))
    if len(same):  # reported first: sorting would not help
        first, second = order[same[0] : same[0] + 2].tolist()
        raise DataError(
            f"{table.where(second, column)}: found {table.found(second, column)!r}, which {table.row(first)} has "
            f"too ({len(same)} duplicate stamps in all); expected each stamp once; "
            f"{_about_duplicates(table, times, order[same + 1], local=local)}"
        )
    row = int(late[0]) + 1
    remedy = CLOCKS if local and _turned_back(times) else f"sort the {table.kind} by time"
    raise DataError(
        f"{table.where(row, column)}: found {table.found(row, column)!r}, before the stamp of the row above it; "
        f"expected ascending stamps; {remedy}"
    )


CLOCKS = (
    "this looks like clocks turned back from summer time: name their zone, as in data.source.timezone=Europe/Berlin, "
    "and the two hours are told apart by their order"
)


def _about_duplicates(table: Table, times: np.ndarray, second: np.ndarray, *, local: bool) -> str:
    """What a table with duplicate stamps is likely to be, and what to do.

    Args:
        table: The table.
        times: Its stamps.
        second: The rows whose stamp an earlier row has.
        local: Whether stamps have no zone.
    """
    if local and _turned_back(times):
        return CLOCKS
    rows, different = len(times), len(np.unique(times))
    if 2 * different <= rows:
        return (
            f"the {rows} rows have {different} different stamps, as in a {table.kind} of several series one below the "
            "other (long form): put each series into a column or a file of its own; deleting the duplicates would "
            f"lose {rows - different} rows, and averaging them would mix the series"
        )
    return (
        f"if the rows are copies of each other, delete {len(second)} of them; if not, find out which of the values is "
        "right, or whether the stamps belong to several series"
    )


def _turned_back(times: np.ndarray) -> bool:
    """Whether stamps without zone go back only where clocks may: an hour is doubled, on a spring or autumn night."""
    late = np.flatnonzero(np.diff(times) <= np.timedelta64(0, "ns"))
    # With a step s the stamps go from the last one before the full hour to that hour again: back by an hour less s.
    back = times[late] - times[late + 1]
    days = times[late].astype("datetime64[D]")
    hour = (times[late] - days) / HOUR
    weekday = (days.astype(int) + 3) % 7  # 1970 began on a Thursday
    night = ((weekday == SUNDAY) & (hour < 4)) | ((weekday == SUNDAY - 1) & (hour >= 23))
    month = times[late].astype("datetime64[M]").astype(int) % 12 + 1
    change = night & np.isin(month, (2, 3, 4, 5, 9, 10, 11)) & (back < HOUR)
    return bool(change.all() and np.median(np.diff(times)) <= HOUR)

"""The time column of a table."""

import re
from difflib import get_close_matches
from typing import Any, Literal, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import numpy as np
import pandas as pd

from recast.data.sources.items import Items
from recast.data.sources.step import differences
from recast.data.sources.table import Table
from recast.data.zone import Zone, zone_of
from recast.errors import ConfigurationError, DataError

DoubledHour = Literal["order", "summer", "winter"]
HOUR = np.timedelta64(3_600_000_000_000, "ns")
SUNDAY = 6
WEEK = 168 * HOUR
"""Within which clocks change once at most."""

ZONE = r"(?:[T ]\d[\d:.,]*[+-]\d\d(?::?\d\d)?|Z)\s*$"
REMEDY = (
    "expected ISO 8601, such as 2020-01-31 or 2020-01-31 23:50:00+00:00; say how the stamps are written, as in "
    "data.source.date_format='%d.%m.%Y %H:%M'"
)


def stamp_text(stamp: Any) -> str:
    """A `datetime64` as messages show it: "2020-01-31 23:50:00"."""
    return str(stamp.astype("datetime64[ns]")).replace("T", " ").removesuffix("000000000").removesuffix(".")


class Stamps(NamedTuple):
    """The time column of a table.

    Args:
        times: The stamps, UTC where they have a zone, `datetime64[ns]`, ascending in each series, shape (rows,).
        timezone: "UTC" if they have a zone or offset, or one was given for them, otherwise None.
        zone: Local time, where it is known and not UTC; otherwise None.
    """

    times: np.ndarray
    timezone: str | None
    zone: Zone | None


def parse_stamps(
    table: Table,
    column: str,
    words: pd.Series,
    *,
    timezone: str | None = None,
    doubled: DoubledHour = "order",
    items: Items | None = None,
    date_format: str | None = None,
) -> Stamps:
    """Time stamps, strictly ascending in each series.

    Without a format only ISO 8601 is read: 01/02/2020 would be a guess. Stamps with a zone or offset are converted to
    UTC.

    Args:
        table: The table, for messages.
        column: The time column's name.
        words: The column's content.
        timezone: The zone whose clocks gave stamps that have none, an IANA name; None: such stamps stay as they are.
        doubled: Which hour a stamp without zone means that comes twice when clocks are turned back.
        items: The series of the table, the rows of each together; None: one.
        date_format: How stamps are written, as `strftime` names it ("%d.%m.%Y %H:%M"); None: ISO 8601.

    Raises:
        DataError: if a stamp is empty, not ISO 8601, outside 1678 to 2261, left out by the clocks of the zone, or not
            later than the previous one; or if only some stamps have a zone.
    """
    items = items or Items.one(len(table))
    _refuse_first(table, column, words.isna().to_numpy(dtype=bool), "an empty stamp", REMEDY)
    offsets = None
    if pd.api.types.is_datetime64_any_dtype(words.dtype):
        stamps = pd.DatetimeIndex(words)
    else:
        # Those of many series are often the same.
        codes, distinct = pd.factorize(words)
        distinct = pd.Series(distinct).astype(str).astype(object)  # text in Arrow's memory is matched otherwise
        found = _parsed(table, column, distinct, codes, date_format)
        stamps = pd.DatetimeIndex(found)[codes]
        offsets = None if stamps.tz is None else _offsets(distinct)[codes]
    _refuse_out_of_range(table, column, stamps)
    zone = None if timezone is None else Zone(timezone)
    if stamps.tz is None and timezone is not None:
        stamps = _localised(table, column, stamps, timezone, doubled=doubled, items=items)
    if stamps.tz is None:
        times = stamps.to_numpy().astype("datetime64[ns]")
        _refuse_disorder(table, column, times, items, local=True)
        return Stamps(times, None, None)
    times = stamps.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[ns]")
    _refuse_disorder(table, column, times, items, local=False)
    if zone is None and offsets is None and is_zone(str(stamps.tz)):
        zone = Zone(str(stamps.tz))
    elif zone is None:
        own = stamps.tz_localize(None).to_numpy().astype("datetime64[ns]") - times if offsets is None else offsets
        zone = zone_of(*_in_order(times, own))
    return Stamps(times, "UTC", zone)


def _in_order(times: np.ndarray, offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Stamps of several series as those of one, with their offsets: 0 throughout where series are in several zones."""
    if (np.diff(times) > np.timedelta64(0, "ns")).all():
        return times, offsets
    stamps, place, rows = np.unique(times, return_index=True, return_inverse=True)
    own = offsets[place]
    changes = stamps[1:][own[1:] != own[:-1]]
    is_one = (own[rows] == offsets).all() and (np.diff(changes) > WEEK).all()
    return stamps, own if is_one else np.zeros_like(own)


def check_format(owner: str, date_format: str | None) -> None:
    """Raises ConfigurationError if `date_format` is no format of dates."""
    if date_format is None:
        return
    day = pd.Timestamp("2001-02-03", tz="UTC" if "%z" in date_format else None)
    try:
        found = pd.to_datetime(day.strftime(date_format), format=date_format)
    except ValueError:
        found = pd.NaT
    if found != day:
        raise ConfigurationError(
            f"{owner}: date_format={date_format!r} gives no day; expected one such as '%d.%m.%Y %H:%M' (the signs are "
            "those of Python's strftime)"
        )


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
    table: Table, column: str, stamps: pd.DatetimeIndex, timezone: str, *, doubled: DoubledHour, items: Items
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
        _divide_doubled(table, column, stamps, items, twice=np.asarray(twice), summer=summer)
    return stamps.tz_localize(timezone, ambiguous=summer)


def _divide_doubled(
    table: Table, column: str, stamps: pd.DatetimeIndex, items: Items, *, twice: np.ndarray, summer: np.ndarray
) -> None:
    """Of each run of stamps in a doubled hour those up to the step back in summer time, the others after it."""
    times, first = stamps.to_numpy(), items.first
    begins = np.flatnonzero(twice & (first | ~np.append(False, twice[:-1])))
    stops = np.flatnonzero(twice & (np.append(first[1:], True) | ~np.append(twice[1:], False))) + 1
    for begin, stop in zip(begins.tolist(), stops.tolist(), strict=True):
        back = np.flatnonzero(np.diff(times[begin:stop]) <= np.timedelta64(0, "ns"))
        if not len(back):
            raise DataError(
                f"{table.where(begin, column)}: found {table.found(begin, column)!r}{items.of(begin)}, an hour that "
                "comes twice when the clocks are turned back, but stands here once; say which of the two it is: "
                "data.source.doubled_hour=summer (the first) or winter (the second)"
            )
        summer[begin + back[0] + 1 : stop] = False


def _parsed(table: Table, column: str, words: pd.Series, codes: np.ndarray, date_format: str | None) -> pd.Series:
    """Words as stamps; those with a zone or offset in UTC.

    Args:
        table: The table, for messages.
        column: The time column's name.
        words: Different ones, in order of appearance.
        codes: Which of them stands in each row.
        date_format: How they are written; None: ISO 8601.
    """
    if date_format is not None:
        utc = "%z" in date_format
        parsed = pd.Series(pd.to_datetime(words.str.strip(), format=date_format, utc=utc, errors="coerce"))
        wrong = parsed.isna().to_numpy(dtype=bool)[codes]
        _refuse_first(
            table, column, wrong, "no time stamp", f"expected one as in data.source.date_format={date_format}"
        )
        return parsed
    # pandas reads the words "now" and "today" too.
    worded = ~words.str.match(r"\s*\d").to_numpy(dtype=bool)
    _refuse_first(table, column, worded[codes], "no time stamp", REMEDY)
    zoned = words.str.contains(ZONE).to_numpy(dtype=bool)
    odd = "a stamp with a zone" if not zoned[0] else "a stamp without a zone"
    remedy = "the rows before are otherwise; write all stamps with a zone or offset, or all without"
    _refuse_first(table, column, (zoned != zoned[0])[codes], odd, remedy)
    parsed = pd.Series(pd.to_datetime(words, format="ISO8601", utc=bool(zoned[0]), errors="coerce"))
    _refuse_first(table, column, parsed.isna().to_numpy(dtype=bool)[codes], "no time stamp", REMEDY)
    return parsed


def _refuse_first(table: Table, column: str, wrong: np.ndarray, what: str, remedy: str) -> None:
    if wrong.any():
        row = int(wrong.argmax())
        raise DataError(f"{table.where(row, column)}: found {table.found(row, column)!r}, {what}; {remedy}")


def _refuse_disorder(table: Table, column: str, times: np.ndarray, items: Items, *, local: bool) -> None:
    late = np.flatnonzero((np.diff(times) <= np.timedelta64(0, "ns")) & ~items.first[1:])
    if not len(late):
        return
    turned_back = local and _turned_back(times, late, items)
    codes = items.codes
    order = np.lexsort((times, codes))
    same = np.flatnonzero((np.diff(times[order]) == np.timedelta64(0, "ns")) & (np.diff(codes) == 0))
    if len(same):  # reported first: sorting would not help
        first, second = order[same[0] : same[0] + 2].tolist()
        about = CLOCKS if turned_back else _about_duplicates(table, times, len(same), items)
        raise DataError(
            f"{table.where(second, column)}: found {table.found(second, column)!r}{items.of(second)}, which "
            f"{table.row(first)} has too ({len(same)} duplicate stamps in all); expected each stamp once; {about}"
        )
    row = int(late[0]) + 1
    remedy = CLOCKS if turned_back else f"sort the {table.kind} by time"
    above = table.row(row - 1) if len(items.ids) > 1 else "the row above it"
    raise DataError(
        f"{table.where(row, column)}: found {table.found(row, column)!r}{items.of(row)}, before the stamp of {above}; "
        f"expected ascending stamps; {remedy}"
    )


CLOCKS = (
    "this looks like clocks turned back from summer time: name their zone, as in data.source.timezone=Europe/Berlin, "
    "and the two hours are told apart by their order"
)


def _about_duplicates(table: Table, times: np.ndarray, copies: int, items: Items) -> str:
    """What a table with duplicate stamps is likely to be, and what to do.

    Args:
        table: The table.
        times: Its stamps.
        copies: How many have a stamp that an earlier row of the series has.
        items: Its series.
    """
    rows, different = len(times), len(np.unique(times))
    if len(items.ids) == 1 and 2 * different <= rows:
        return (
            f"the {rows} rows have {different} different stamps, as in a {table.kind} of several series one below the "
            "other (long form): name the column that tells them apart (data.source.id=COLUMN), or put each series into "
            f"a column or a file of its own; deleting the duplicates would lose {rows - different} rows, and averaging "
            "them would mix the series"
        )
    return (
        f"if the rows are copies of each other, delete {copies} of them; if not, find out which of the values is "
        "right, or whether the stamps belong to several series"
    )


def _turned_back(times: np.ndarray, late: np.ndarray, items: Items) -> bool:
    """Whether stamps without zone go back only where clocks may: an hour is doubled, on a spring or autumn night.

    Args:
        times: The stamps.
        late: Rows whose next one of the same series is not later.
        items: The series.
    """
    # With a step s the stamps go from the last one before the full hour to that hour again: back by an hour less s.
    back = times[late] - times[late + 1]
    days = times[late].astype("datetime64[D]")
    hour = (times[late] - days) / HOUR
    weekday = (days.astype(int) + 3) % 7  # 1970 began on a Thursday
    night = ((weekday == SUNDAY) & (hour < 4)) | ((weekday == SUNDAY - 1) & (hour >= 23))
    month = times[late].astype("datetime64[M]").astype(int) % 12 + 1
    change = night & np.isin(month, (2, 3, 4, 5, 9, 10, 11)) & (back < HOUR)
    return bool(change.all() and np.median(differences(times, items.starts)) <= HOUR)

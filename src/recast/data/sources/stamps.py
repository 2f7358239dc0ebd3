"""The time column of a table."""

from typing import Any

import numpy as np
import pandas as pd

from recast.data.sources.table import Table
from recast.errors import DataError

ZONE = r"(?:[T ]\d[\d:.,]*[+-]\d\d(?::?\d\d)?|Z)\s*$"
REMEDY = "expected ISO 8601, such as 2020-01-31 or 2020-01-31 23:50:00+00:00; rewrite the column"


def stamp_text(stamp: Any) -> str:
    """A `datetime64` as messages show it: "2020-01-31 23:50:00"."""
    return str(stamp.astype("datetime64[ns]")).replace("T", " ").removesuffix("000000000").removesuffix(".")


def parse_stamps(table: Table, column: str, words: pd.Series) -> tuple[np.ndarray, str | None]:
    """Time stamps, strictly ascending, and their zone: "UTC" if they have a zone or offset, otherwise None.

    Only ISO 8601 is read: 01/02/2020 would be a guess. Stamps with a zone or offset are converted to UTC.

    Args:
        table: The table, for messages.
        column: The time column's name.
        words: The column's content.

    Returns:
        `datetime64[ns]`, shape (rows,), and "UTC" or None.

    Raises:
        DataError: if a stamp is empty, not ISO 8601, outside 1678 to 2261, or not later than the previous one; or if
            only some stamps have a zone.
    """
    _refuse_first(table, column, words.isna().to_numpy(dtype=bool), "an empty stamp", REMEDY)
    index = words if pd.api.types.is_datetime64_any_dtype(words.dtype) else _parsed(table, column, words)
    stamps = pd.DatetimeIndex(index)
    timezone = None if stamps.tz is None else "UTC"
    if stamps.tz is not None:
        stamps = stamps.tz_convert("UTC").tz_localize(None)
    years = stamps.year.to_numpy()
    _refuse_first(table, column, (years < 1678) | (years > 2261), "a stamp out of range", "expected 1678 to 2261")
    times = stamps.to_numpy().astype("datetime64[ns]")
    _refuse_disorder(table, column, times)
    return times, timezone


def _parsed(table: Table, column: str, words: pd.Series) -> pd.Series:
    """Words as stamps; those with a zone or offset in UTC."""
    # A frame may hold any objects; their text is parsed.
    words = words.astype(str)
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


def _refuse_disorder(table: Table, column: str, times: np.ndarray) -> None:
    late = np.flatnonzero(np.diff(times) <= np.timedelta64(0, "ns"))
    if not len(late):
        return
    order = np.argsort(times, kind="stable")
    same = np.flatnonzero(np.diff(times[order]) == np.timedelta64(0, "ns"))
    if len(same):  # reported first: sorting would not help
        first, second = order[same[0] : same[0] + 2].tolist()
        raise DataError(
            f"{table.where(second, column)}: found {table.found(second, column)!r}, which {table.row(first)} has "
            f"too ({len(same)} duplicate stamps in all); expected each stamp once; delete or average the duplicates"
        )
    row = int(late[0]) + 1
    raise DataError(
        f"{table.where(row, column)}: found {table.found(row, column)!r}, before the stamp of the row above it; "
        f"expected ascending stamps; sort the {table.kind} by time"
    )

"""Hourly sea level in the text form of the University of Hawaii Sea Level Center (UHSLC)."""

from collections.abc import Collection
from itertools import chain
from typing import final

import numpy as np
import pandas as pd

from recast.data.sources.stacked import files_of, is_pattern
from recast.data.sources.table import Table
from recast.data.sources.table_source import TableSource
from recast.data.sources.text_lines import Dialect, blocks
from recast.errors import DataError
from recast.options import checked

STATION, TIME, LEVEL = "station", "time", "sea_level"
LENGTH = 80
"""Characters of a record."""
HOURS, WIDTH, FIRST = 12, 5, 20
"""Values of a record, characters of each, and characters before the first of them."""
MISSING = 9999
NEEDED = "expected records of the archive's hourly form: a header for each year, then 12 values of 5 characters a line"


class HalfDays(Table):
    """Files with 12 hourly values a line as one table, with a station, a stamp in UTC and a value in each row.

    A header (80 characters) holds the station's number and version (1 to 4), the time's offset from Greenwich in tenths
    of an hour, east positive (65 to 68), the offset to be added to values (72 to 76), and their unit, MM (79 to 80). It
    holds for the records after it: date (12 to 19), 1 for the hours 0 to 11 and 2 for 12 to 23 (20), 12 values of 5
    characters, 9999 where nothing was observed. Source: "Joint Archive for Sea Level, archiving format for hourly sea
    level data" (hourly.fmt).

    Args:
        label: Name of them all in messages.
        paths: The files, compressed where their names say so.

    Raises:
        DataError: if one cannot be read, or a line is neither header nor record.

    Attributes:
        stations: Number and version of the station of each record.
    """

    kind = "file"

    def __init__(self, label: str, paths: Collection[str]) -> None:
        self.label = label
        self.header = [STATION, TIME, LEVEL]
        # Names of yearly files may end in two digits of the year, which are no order.
        parts = sorted((_records(path) for path in paths), key=lambda part: part[2][0])
        self._places = list(chain.from_iterable(places for places, *_ in parts))
        self.stations = list(chain.from_iterable(stations for _, stations, *_ in parts))
        self._begins = np.concatenate([begins for *_, begins, _ in parts])
        self._values = np.concatenate([values for *_, values in parts])

    def __len__(self) -> int:
        """Number of hours."""
        return self._values.size

    def read(self, names: list[str], numbers: Collection[str] = ()) -> dict[str, pd.Series]:
        """See the base class."""
        hours = self._begins[:, None] + np.arange(HOURS) * np.timedelta64(1, "h")
        columns = {
            STATION: pd.Series(np.repeat(self.stations, HOURS)),
            TIME: pd.Series(pd.DatetimeIndex(hours.ravel().astype("datetime64[ns]")).tz_localize("UTC")),
            LEVEL: pd.Series(self._values.ravel()),
        }
        return {name: columns[self.header[self.position(name)]] for name in names}

    def row(self, row: int) -> str:
        """See the base class."""
        path, line = self._places[row // HOURS]
        return f"line {line}, value {row % HOURS + 1}" + ("" if path == self.label else f" of {path}")

    def found(self, row: int, column: str) -> str:
        """See the base class."""
        return str(self.read([column])[column].iloc[row])


def _records(path: str) -> tuple[list[tuple[str, int]], list[str], np.ndarray, np.ndarray]:
    """Of each record of a file its place, its station, the stamp of its first value in UTC, and its values [mm]."""
    places: list[tuple[str, int]] = []
    stations: list[str] = []
    begins: list[np.datetime64] = []
    values: list[list[float]] = []
    station, shift, offset = "", np.timedelta64(0, "m"), 0.0
    lines = (line for block in blocks(path, Dialect()) for line in block.decode().splitlines())
    for number, line in enumerate(lines, start=1):
        text = line.rstrip()
        if not text:
            continue
        try:
            if text[LENGTH - 2 :].isalpha():
                station, shift, offset = _header(text)
                continue
            begin, heights = _record(text)
        except ValueError as error:
            raise DataError(f"{path}, line {number}: found {text!r}: {error}; {NEEDED}") from error
        if text[:4].strip() != station:
            raise DataError(
                f"{path}, line {number}: a record of station {text[:4]!r} after "
                f"{f'the header of {station!r}' if station else 'no header'}; {NEEDED}"
            )
        places.append((path, number))
        stations.append(station)
        begins.append(begin - shift)
        values.append([np.nan if height == MISSING else height + offset for height in heights])
    if not values:
        raise DataError(f"{path}: no record; {NEEDED}")
    return places, stations, np.array(begins, dtype="datetime64[m]"), np.array(values, dtype=np.float64)


def _header(text: str) -> tuple[str, np.timedelta64, float]:
    """The station, the lead of its clock on Greenwich's, and what is to be added to its values.

    Raises:
        ValueError: if it is none.
    """
    if len(text) != LENGTH or text[LENGTH - 2 :].upper() != "MM":
        raise ValueError("a header has 80 characters and ends in the unit MM")
    return text[:4].strip(), np.timedelta64(6 * int(text[64:68]), "m"), float(int(text[71:76]))


def _record(text: str) -> tuple[np.datetime64, list[int]]:
    """The stamp of the first value, as the station's clock has it, and the values.

    Raises:
        ValueError: if it is none.
    """
    if len(text) != LENGTH:
        raise ValueError(f"{len(text)} characters, not {LENGTH}")
    date, half = text[11:19].replace(" ", "0"), text[19]
    if half not in "12" or not date.isdecimal():
        raise ValueError(f"{text[11:20]!r} in characters 12 to 20 is no date with 1 or 2 for the half of the day")
    begin = np.datetime64(f"{date[:4]}-{date[4:6]}-{date[6:]}", "m") + np.timedelta64(HOURS * (half == "2"), "h")
    fields = (text[place : place + WIDTH] for place in range(FIRST, LENGTH, WIDTH))
    return begin, [int(field) for field in fields]


@final
class UhslcSource(TableSource):
    """Hourly sea level in millimetres from `.dat` files of the UHSLC's research-quality archive; see `HalfDays`.

    Stamps are in UTC, whatever the clock of the station; 9999 is not observed; the header's reference offset is added.
    Frames have the columns time and sea_level, and station where there are several.

    Args:
        path: The file, compressed if its name ends in gz, bz2, xz, zip or zst; a pattern such as "h057a*.dat": several,
            of one year each or of several stations.
        several: Whether they are of several stations, each of them a series called by number and version ("057A").
    """

    @checked
    def __init__(self, *, path: str, several: bool = False) -> None:
        self.path = path
        super().__init__(
            time=TIME,
            targets=[LEVEL],
            id=STATION if several else None,
            units={LEVEL: "mm"},
            step="h",
            missing=[np.nan],
        )

    def own_table(self) -> Table:
        """The file or files.

        Raises:
            DataError: if they cannot be read.
        """
        return self.load(self.path)

    def load(self, path: str) -> Table:
        """See the base class."""
        table = HalfDays(path, list(files_of(path).values()) if is_pattern(path) else [path])
        found = sorted(set(table.stations))
        if self.id is None and len(found) > 1:
            raise DataError(
                f"{path}: records of {len(found)} stations ({', '.join(found[:3])}); say so: data.source.several=true, "
                "or name the files of one"
            )
        return table

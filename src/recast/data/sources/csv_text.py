"""A CSV file as text: every row has as many fields as the header, and messages can name the line of a row."""

import csv
import io
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from recast.data.sources.table import Table
from recast.data.sources.text_lines import DECIMALS, DELIMITERS, Decimal, Delimiter, Dialect, Stream, blocks
from recast.errors import DataError

NEWLINE = ord("\n")
ROWS = 1 << 19
"""Rows that are parsed at a time."""
# Since pandas 3.1 numbers are read as the nearest to their digits without being asked.
EXACT: dict[str, Any] = (
    {} if tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1) else {"float_precision": "round_trip"}
)
LOOKED_AT = 20
"""Rows that are looked at to tell how a file is written."""


@dataclass(frozen=True, eq=False)
class CsvText(Table):
    """A CSV file whose rows all have as many fields as its header; it is read as often as its columns are asked for.

    Args:
        label: The file's path as the user gave it.
        header: The columns' names.
        rows: Rows after the header.
        dialect: How it is written.
        has_odd_blanks: Whether it holds vertical tabs or form feeds, which pandas takes for blanks around a number.
    """

    label: str
    header: list[str]
    rows: int
    dialect: Dialect
    has_odd_blanks: bool
    kind: str = "file"

    @property
    def decimal(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] not to be set
        """See the base class."""
        return DECIMALS[self.dialect.decimal]

    def __len__(self) -> int:
        """Number of rows after the header."""
        return self.rows

    def read(self, names: list[str], numbers: Collection[str] = ()) -> dict[str, pd.Series]:
        """The columns `names`; empty fields and the usual words for "not a number" are NaN.

        Columns of `numbers` are float64, each the nearest to its digits, or text, if a field may be no number; the
        others are categories of text.

        Raises:
            DataError: if a column is missing or twice in the header.
        """
        places = {name: self.position(name) for name in names}
        kinds: dict[Any, Any] = dict.fromkeys(places.values(), "category")
        kinds |= {places[name]: str if self.has_odd_blanks else float for name in numbers}
        try:
            columns = self._parsed(kinds)
        except ValueError:
            columns = self._parsed({place: str if kind is float else kind for place, kind in kinds.items()})
        # It takes True and False for numbers, where a column has nothing else.
        doubtful = [place for place, found in columns.items() if found.dtype.kind == "f" and _has_only_flags(found)]
        if doubtful:
            columns |= self._parsed(dict.fromkeys(doubtful, str))
        return {name: pd.Series(columns[position]) for name, position in places.items()}

    def _parsed(self, kinds: dict[Any, Any]) -> dict[int, Any]:
        """Columns by position, as float, str or category.

        Raises:
            ValueError: if a field is no number where it should be one.
        """
        found = {place: _COLUMNS[kind](self.rows) for place, kind in kinds.items()}
        parts: Any = pd.read_csv(
            Stream(blocks(self.label, self.dialect)),
            sep=self.dialect.mark,
            header=0 if self.dialect.names is None else None,
            names=list(range(len(self.header))),
            usecols=list(kinds),
            dtype=kinds,
            decimal=self.decimal,
            skipinitialspace=True,
            chunksize=ROWS,
            low_memory=False,
            **EXACT,
        )
        rows = 0
        with parts:
            for part in parts:
                if rows + len(part) <= self.rows:
                    for place, column in found.items():
                        column.add(rows, part[place])
                rows += len(part)
        if rows != self.rows:
            raise DataError(f"{self.label}: quotation marks open and close in different rows; write each row on a line")
        return {place: column.whole() for place, column in found.items()}

    def found(self, row: int, column: str) -> str:
        """The content of `column` in the given row after the header, for messages."""
        return self._row(row)[1][self.position(column)]

    def row(self, row: int) -> str:
        """The line of a row in the file."""
        return f"line {self._row(row)[0]}"

    def _row(self, row: int) -> tuple[int, list[str]]:
        return next(islice(_rows(self.label, self.dialect), row + (self.dialect.names is None), None))


class _Numbers:
    """A column of numbers that is filled part by part."""

    def __init__(self, rows: int) -> None:
        self._values = np.empty(rows)

    def add(self, first: int, part: pd.Series) -> None:
        self._values[first : first + len(part)] = part.to_numpy()

    def whole(self) -> np.ndarray:
        return self._values


class _Levels:
    """A column of categories that is filled part by part; its levels are in order of appearance in the parts."""

    def __init__(self, rows: int) -> None:
        self._codes = np.empty(rows, dtype=np.int32)
        self._levels: dict[str, int] = {}

    def add(self, first: int, part: pd.Series) -> None:
        levels = self._levels
        own = [levels.setdefault(level, len(levels)) for level in part.cat.categories.tolist()]
        self._codes[first : first + len(part)] = np.array([*own, -1], dtype=np.int32)[part.cat.codes]

    def whole(self) -> pd.Categorical:
        return pd.Categorical.from_codes(self._codes, pd.Index(list(self._levels), dtype=str))


class _Words:
    """A column of text that is filled part by part."""

    def __init__(self, rows: int) -> None:
        self._parts: list[pd.Series] = []

    def add(self, first: int, part: pd.Series) -> None:
        self._parts.append(part)

    def whole(self) -> pd.Series:
        return pd.concat(self._parts, ignore_index=True)


_COLUMNS: dict[Any, Any] = {float: _Numbers, "category": _Levels, str: _Words}


def load_csv(path: str, dialect: Dialect | None = None) -> CsvText:
    """Reads a CSV file as text.

    Args:
        path: The file: UTF-8, compressed where its name says so. Empty lines are skipped.
        dialect: How it is written; None: fields are separated by commas, numbers have points, a header comes first.

    Raises:
        DataError: if the file is missing, a folder, unreadable, not UTF-8 text, empty, has no row after the header,
            or a row with more or fewer fields than the header.
    """
    dialect = dialect or Dialect()
    begin = next((block for block in blocks(path, dialect) if block.strip()), None)
    if begin is None:
        raise DataError(f"{path}: the file is empty; expected a header and rows")
    _refuse_other_dialect(path, begin, dialect)
    _, first = next(_rows(path, dialect))
    header = [name.strip() for name in first] if dialect.names is None else list(dialect.names)
    if len(header) != len(first):
        raise DataError(
            f"{path}: found {len(first)} fields in the first row ({', '.join(first)}), but data.source.columns names "
            f"{len(header)} ({', '.join(header)}); name each column of the file"
        )
    rows, is_quoted, has_odd_blanks = 0, False, False
    for block in blocks(path, dialect):
        is_quoted = is_quoted or b'"' in block
        has_odd_blanks = has_odd_blanks or b"\v" in block or b"\f" in block
        found = None if is_quoted else _count_plain(block, dialect.mark, len(header))
        if found is None:  # only a reader of the whole text can tell where, and what fields are quoted
            rows = _count(path, dialect, header)
            break
        rows += found
    has_header = dialect.names is None
    if rows == has_header:
        raise DataError(f"{path}: a header ({', '.join(header)}) and no rows after it")
    return CsvText(path, header, rows - has_header, dialect, has_odd_blanks)


def _rows(path: str, dialect: Dialect) -> Iterator[tuple[int, list[str]]]:
    """The line of each row that is not empty, and its fields."""
    lines = (line for block in blocks(path, dialect) for line in io.StringIO(block.decode(), newline="\n"))
    reader = csv.reader(lines, delimiter=dialect.mark, strict=True, skipinitialspace=True)
    line = 1
    try:
        for row in reader:
            if row:
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}, line {line}: quotation marks do not match ({error}); correct the row") from error


def _count(path: str, dialect: Dialect, header: list[str]) -> int:
    """The number of rows, all with as many fields as the header."""
    count = 0
    for line, row in _rows(path, dialect):
        if len(row) != len(header):
            raise DataError(
                f"{path}, line {line}: found {len(row)} fields, expected {len(header)} as in the header "
                f"({', '.join(header)}); correct the row"
            )
        count += 1
    return count


def _count_plain(block: bytes, mark: str, fields: int) -> int | None:
    """The number of rows in lines without quotation marks; None if one has another number of fields."""
    characters = np.frombuffer(block, dtype=np.uint8)
    is_end = characters == NEWLINE
    # An empty line has an end right before its own.
    if is_end[:1].any() or (is_end[1:] & is_end[:-1]).any():
        characters = np.frombuffer(re.sub(rb"\n\n+", b"\n", block).lstrip(b"\n"), dtype=np.uint8)
        is_end = characters == NEWLINE
    ends = is_end[np.flatnonzero(is_end | (characters == ord(mark)))]
    rows, rest = divmod(len(ends), fields)
    if rest or not ends[fields - 1 :: fields].all() or ends.sum() != rows:
        return None
    return rows


def _has_only_flags(values: np.ndarray) -> bool:
    """Whether all values are 0, 1 or NaN; most columns show soon that they are not."""
    return all(((part == 0) | (part == 1) | np.isnan(part)).all() for part in (values[:LOOKED_AT], values))


def _refuse_other_dialect(path: str, content: bytes, dialect: Dialect) -> None:
    """Raises DataError where the first rows fall into several fields by another delimiter, and the header not by it."""
    begin = b"\n".join(content[: 1 << 16].lstrip(b"\n").split(b"\n", LOOKED_AT)[:LOOKED_AT]).decode(errors="ignore")
    rows: dict[Delimiter, list[list[str]]] = {name: _divided(begin, name) for name in DELIMITERS}
    delimiter, decimal = dialect.delimiter, dialect.decimal
    if len(rows[delimiter][0]) > 1:
        return
    for name, found in rows.items():
        # The last of many rows may be cut off.
        if len(found) < 2 or len(found[0]) < 2 or {len(row) for row in found[:-1]} != {len(found[0])}:
            continue
        commas = sum(bool(re.fullmatch(r"\s*[+-]?\d+,\d+\s*", field)) for row in found[1:] for field in row)
        points = sum(bool(re.fullmatch(r"\s*[+-]?\d+\.\d+\s*", field)) for row in found[1:] for field in row)
        sign: Decimal = "comma" if commas > points else "point" if points else decimal
        signs = f" and the decimal sign of its numbers is a {sign}" if sign != decimal else ""
        option = f" data.source.decimal={sign}" if sign != decimal else ""
        raise DataError(
            f"{path}: found {_several(name)} between its fields{signs}, expected {_several(delimiter)}; say so: "
            f"data.source.delimiter={name}{option}"
        )


def _divided(text: str, delimiter: Delimiter) -> list[list[str]]:
    """The fields of each row that is not empty."""
    if delimiter == "blanks":
        return [line.split() for line in text.splitlines() if line.strip()]
    return list(filter(None, csv.reader(io.StringIO(text, newline=""), delimiter=DELIMITERS[delimiter])))


def _several(delimiter: Delimiter) -> str:
    return f"{delimiter.removesuffix('s')}s"

"""A CSV file as text: every row has as many fields as the header, and messages can name the line of a row."""

import csv
import io
import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from recast.data.sources.table import Table
from recast.errors import DataError

NEWLINE = ord("\n")
ODD = re.compile(rb"[_\x00-\x08\x0b-\x1f\x7f-\xff]")

Delimiter = Literal["comma", "semicolon", "tab", "pipe"]
Decimal = Literal["point", "comma"]
DELIMITERS: dict[Delimiter, str] = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}
DECIMALS: dict[Decimal, str] = {"point": ".", "comma": ","}
# Since pandas 3.1 numbers are read as the nearest to their digits without being asked.
EXACT: dict[str, Any] = (
    {} if tuple(map(int, pd.__version__.split(".")[:2])) >= (3, 1) else {"float_precision": "round_trip"}
)
LOOKED_AT = 20
"""Rows that are looked at to tell how a file is written."""


@dataclass(frozen=True, eq=False)
class CsvText(Table):
    """The content of a CSV file whose rows all have as many fields as its header.

    Args:
        label: The file's path as the user gave it.
        content: The file in UTF-8, lines ended by a line feed.
        header: The columns' names.
        lines: The line in the file of each row after the header, counted from 1, shape (rows,).
        delimiter: What separates fields.
        decimal: The decimal sign of numbers.
    """

    label: str
    content: bytes
    header: list[str]
    lines: np.ndarray
    kind: str = "file"
    delimiter: str = ","
    decimal: str = "."

    @property
    def is_odd(self) -> bool:
        """See the base class."""
        return ODD.search(self.content) is not None

    def __len__(self) -> int:
        """Number of rows after the header."""
        return len(self.lines)

    def read(self, names: list[str], numbers: Collection[str] = ()) -> dict[str, pd.Series]:
        """The columns `names`; empty fields and the usual words for "not a number" are NaN.

        Columns of `numbers` are float64, each the nearest to its digits, unless there is a field that may be none.

        Raises:
            DataError: if a column is missing or twice in the header.
        """
        places = {name: self.position(name) for name in names}
        kinds: dict[Any, Any] = dict.fromkeys(places.values(), str)
        # It takes these for blanks.
        if not (b"\v" in self.content or b"\f" in self.content):
            kinds |= {places[name]: float for name in numbers}
        try:
            table = self._parsed(kinds)
        except ValueError:
            table = self._parsed(dict.fromkeys(kinds, str))
        # It takes True and False for numbers, where a column has nothing else.
        doubtful = [
            place for place in table if table.dtypes[place] == np.float64 and _has_only_flags(table[place].to_numpy())
        ]
        if doubtful:
            table[doubtful] = self._parsed(dict.fromkeys(doubtful, str))
        if len(table) != len(self.lines):
            raise DataError(f"{self.label}: quotation marks open and close in different rows; write each row on a line")
        return {name: pd.Series(table[position]) for name, position in places.items()}

    def _parsed(self, kinds: dict[Any, Any]) -> pd.DataFrame:
        """Columns by position, as str or float.

        Raises:
            ValueError: if a field is no number where it should be one.
        """
        return pd.read_csv(
            io.BytesIO(self.content),
            sep=self.delimiter,
            header=0,
            names=list(range(len(self.header))),
            usecols=list(kinds),
            dtype=kinds,
            decimal=self.decimal,
            **EXACT,
        )

    def found(self, row: int, column: str) -> str:
        """The content of `column` in the given row after the header, for messages."""
        text = io.StringIO(self.content.decode(), newline="")
        reader = filter(None, csv.reader(text, delimiter=self.delimiter))
        return next(islice(reader, row + 1, None))[self.header.index(column)]

    def row(self, row: int) -> str:
        """The line of a row in the file."""
        return f"line {self.lines[row]}"


def load_csv(path: str, delimiter: Delimiter = "comma", decimal: Decimal = "point") -> CsvText:
    """Reads a CSV file as text.

    Args:
        path: The file: UTF-8, a header first. Empty lines are skipped.
        delimiter: What separates fields.
        decimal: The decimal sign of numbers.

    Raises:
        DataError: if the file is missing, a folder, unreadable, not UTF-8 text, empty, has no row after the header,
            or a row with more or fewer fields than the header.
    """
    content = _read_text(path)
    if not content.strip():
        raise DataError(f"{path}: the file is empty; expected a header and rows")
    mark = DELIMITERS[delimiter]
    _refuse_other_dialect(path, content, delimiter, decimal)
    lines, fields = _count_quoted(path, content, mark) if b'"' in content else _count_plain(content, mark)
    header = next(filter(None, csv.reader(io.StringIO(content.decode(), newline=""), delimiter=mark)))
    wrong = np.flatnonzero(fields != fields[0])
    if len(wrong):
        first = wrong[0]
        raise DataError(
            f"{path}, line {lines[first]}: found {fields[first]} fields, expected {fields[0]} as in the header "
            f"({', '.join(header)}); correct the row"
        )
    if len(lines) == 1:
        raise DataError(f"{path}: a header ({', '.join(header)}) and no rows after it")
    return CsvText(
        label=path, content=content, header=header, lines=lines[1:], delimiter=mark, decimal=DECIMALS[decimal]
    )


def _has_only_flags(values: np.ndarray) -> bool:
    """Whether all values are 0, 1 or NaN; most columns show soon that they are not."""
    return all(((part == 0) | (part == 1) | np.isnan(part)).all() for part in (values[:LOOKED_AT], values))


def _refuse_other_dialect(path: str, content: bytes, delimiter: Delimiter, decimal: Decimal) -> None:
    """Raises DataError where the first rows fall into several fields by another delimiter, and the header not by it."""
    begin = b"\n".join(content[: 1 << 16].lstrip(b"\n").split(b"\n", LOOKED_AT)[:LOOKED_AT]).decode(errors="ignore")
    rows: dict[Delimiter, list[list[str]]] = {
        name: list(filter(None, csv.reader(io.StringIO(begin, newline=""), delimiter=mark)))
        for name, mark in DELIMITERS.items()
    }
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
            f"{path}: found {name}s between its fields{signs}, expected {delimiter}s; say so: "
            f"data.source.delimiter={name}{option}"
        )


def _read_text(path: str) -> bytes:
    """The file's bytes in UTF-8 without byte order mark, each line ended by a line feed alone."""
    file = Path(path).expanduser()
    if file.is_dir():
        raise DataError(f"{path}: a folder; expected a CSV file")
    if not file.exists():
        raise DataError(f"{path}: no such file; looked in {file.parent.resolve()}")
    try:
        content = file.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    content = content.removeprefix(b"\xef\xbb\xbf")
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path}, line {line}: found the byte 0x{content[error.start]:02x}, which is no UTF-8 text; "
            "save the file as UTF-8 (a compressed file must be unpacked first)"
        ) from error
    if b"\r" in content:
        content = content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return content


def _count_plain(content: bytes, mark: str) -> tuple[np.ndarray, np.ndarray]:
    """Line number and number of fields of each line that is not empty; no field is quoted."""
    characters = np.frombuffer(content if content.endswith(b"\n") else content + b"\n", dtype=np.uint8)
    ends = np.flatnonzero(characters == NEWLINE)
    marks = np.searchsorted(np.flatnonzero(characters == ord(mark)), ends)
    filled = np.diff(ends, prepend=-1) > 1
    return np.flatnonzero(filled) + 1, np.diff(marks, prepend=0)[filled] + 1


def _count_quoted(path: str, content: bytes, mark: str) -> tuple[np.ndarray, np.ndarray]:
    """The same where fields are quoted, which only a reader of the whole text can tell."""
    reader = csv.reader(io.StringIO(content.decode(), newline=""), delimiter=mark, strict=True)
    lines, fields, line = [], [], 1
    try:
        for row in reader:
            if row:
                lines.append(line)
                fields.append(len(row))
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{path}, line {line}: quotation marks do not match ({error}); correct the row") from error
    return np.array(lines), np.array(fields)

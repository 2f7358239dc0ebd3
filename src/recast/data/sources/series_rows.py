"""Series without stamps in a CSV file with one row a series."""

from collections.abc import Collection
from typing import final

import numpy as np
import pandas as pd

from recast.data.sources.csv_text import load_csv
from recast.data.sources.step import parse_step
from recast.data.sources.table import Table
from recast.data.sources.table_source import TableSource
from recast.data.sources.text_lines import Decimal, Delimiter, Dialect
from recast.errors import ConfigurationError, DataError
from recast.options import AnyFloat, checked


class SeriesRows(Table):
    """Tables with one row a series as one in long form, with a name, a stamp and a value in each row.

    A row holds the name of its series, and then its values; the empty fields behind the last of them do not count.

    Args:
        tables: The tables, each of which continues the series of the one before; those may stand in another order.
        id: The column with the names of the series, in each table.
        time: Name that the column of stamps is given.
        value: Name that the column of values is given.
        begin: Stamp of the first value of each series.
        step: Distance between values, a pandas offset alias.

    Raises:
        DataError: if a name is missing or found twice, a series stands in some of the tables alone, or it has no value.
    """

    kind = "file"

    def __init__(self, tables: list[Table], id: str, *, time: str, value: str, begin: str, step: str) -> None:
        self.label = ", ".join(table.label for table in tables)
        self.header = [id, time, value]
        self.decimal = tables[0].decimal
        self._tables = tables
        self._ids, orders = _matched(tables, id)
        blocks = [_fields(table, id, order) for table, order in zip(tables, orders, strict=True)]
        self._is_there = np.hstack([_until_last(block) for block in blocks])
        self._fields = np.hstack(blocks)[self._is_there]
        self._columns = [
            (table, order, name)
            for table, order in zip(tables, orders, strict=True)
            for name in table.header
            if name != id
        ]
        lengths = self._is_there.sum(axis=1)
        if not lengths.all():
            row = int((lengths == 0).argmax())
            raise DataError(
                f"{self.label}: the series {self._ids[row]!r} has no value; leave it out, or correct "
                f"{tables[0].row(row)}"
            )
        self._series = np.repeat(np.arange(len(lengths)), lengths)
        first = np.cumsum(lengths) - lengths
        stamps = pd.date_range(begin, periods=int(lengths.max()), freq=step)
        self._stamps = stamps[np.arange(len(self._series)) - first[self._series]]

    def __len__(self) -> int:
        """Number of values of all series."""
        return len(self._fields)

    def read(self, names: list[str], numbers: Collection[str] = ()) -> dict[str, pd.Series]:
        """See the base class."""
        id, time, value = self.header
        columns = {
            id: pd.Series(pd.Categorical.from_codes(self._series.tolist(), self._ids)),
            time: pd.Series(self._stamps),
            value: pd.Series(self._fields),
        }
        return {name: columns[self.header[self.position(name)]] for name in names}

    def row(self, row: int) -> str:
        """See the base class."""
        table, own, column = self._place(row)
        return f"{table.row(own)}, column {column!r}"

    def where(self, row: int, column: str) -> str:
        """See the base class: the field of the file that holds the value."""
        table, own, name = self._place(row)
        return table.where(own, name)

    def found(self, row: int, column: str) -> str:
        """See the base class."""
        table, own, name = self._place(row)
        return table.found(own, name)

    def _place(self, row: int) -> tuple[Table, int, str]:
        """The table, row and column of a value."""
        series = self._series[row]
        before = row - int(np.searchsorted(self._series, series))
        table, order, name = self._columns[np.flatnonzero(self._is_there[series])[before]]
        return table, int(order[series]), name


def _matched(tables: list[Table], id: str) -> tuple[list[str], list[np.ndarray]]:
    """The names of the series, in the order of the first table; and of each table the row of each."""
    ids: list[str] = []
    orders = []
    for table in tables:
        words = table.read([id])[id]
        if words.isna().any():
            row = int(words.isna().to_numpy().argmax())
            raise DataError(f"{table.where(row, id)}: found {table.found(row, id)!r}; expected the name of a series")
        names = words.astype(str).str.strip().tolist()
        rows = dict(zip(names, range(len(names)), strict=True))
        if len(rows) < len(names):
            row = next(row for row, name in enumerate(names) if rows[name] != row)
            raise DataError(
                f"{table.where(rows[names[row]], id)}: found {names[row]!r}, which {table.row(row)} has too; expected "
                "each series once"
            )
        ids = ids or names
        for one, other in ((ids, rows), (names, dict.fromkeys(ids))):
            lacking = [name for name in one if name not in other]
            if lacking:
                raise DataError(
                    f"{table.label} and {tables[0].label}: the series {lacking[0]!r} stands in one of them alone "
                    f"({len(lacking)} in all); expected the same series in both"
                )
        orders.append(np.array([rows[name] for name in ids]))
    return ids, orders


def _fields(table: Table, id: str, order: np.ndarray) -> np.ndarray:
    """The values of a table in the order of the series; float64, or text where some are none."""
    names = [name for name in table.header if name != id]
    if not names:
        raise DataError(f"{table.label}: no column but {id!r}; expected the values of each series behind its name")
    columns = table.read(names, names)
    return np.column_stack([columns[name].to_numpy() for name in names])[order]


def _until_last(fields: np.ndarray) -> np.ndarray:
    """Where a value stands, or is followed by one in its row."""
    there = ~pd.isna(fields)
    return np.logical_or.accumulate(there[:, ::-1], axis=1)[:, ::-1]


@final
class SeriesRowsSource(TableSource):
    """Series without stamps in a CSV file: a row for each, which holds its name and then its values, the first first.

    So are the data of the M4 competition (Makridakis et al. 2020, "The M4 Competition", International Journal of
    Forecasting 36), whose test files continue the series of the training files. Series may have different lengths: the
    empty fields behind the last value of a row do not count; others are values not observed. Stamps are made up: each
    series begins at `begin`. Frames, and tables known ahead, are in long form, with a column for each of the names
    `id`, `time` and `target`.

    Args:
        path: The file; UTF-8, with a header.
        continued: A second file that holds what follows after the end of each series. None: none does.
        id: The column with the names of the series, in both files.
        step: Distance between values, a pandas offset alias ("h", "D", "MS").
        begin: Stamp of the first value of each series. [date]
        time: Name that the column of stamps is given, in forecasts and frames.
        target: Name that the values are given.
        unit: Their unit.
        delimiter: What separates fields.
        decimal: The decimal sign of numbers.
        missing: Values that mean "not observed", such as -9999 (nan, in yaml .nan: an empty field before the last value
            of a row). None: no such values. []: no such values either, and none is looked for.

    Raises:
        ConfigurationError: if the step is unknown, the first stamp is no date, or two columns have the same name.
    """

    @checked
    def __init__(
        self,
        *,
        path: str,
        continued: str | None = None,
        id: str,
        step: str = "h",
        begin: str = "2000-01-01",
        time: str = "time",
        target: str = "value",
        unit: str = "",
        delimiter: Delimiter = "comma",
        decimal: Decimal = "point",
        missing: list[AnyFloat | str] | None = None,
    ) -> None:
        self.path = path
        self.continued = continued
        self.begin = begin
        self.delimiter: Delimiter = delimiter
        self.decimal: Decimal = decimal
        parse_step(step)
        try:
            np.datetime64(begin, "ns")
        except ValueError as error:
            raise ConfigurationError(
                f"SeriesRowsSource: begin={begin!r} is no date; expected ISO 8601 such as 2000-01-01"
            ) from error
        super().__init__(time=time, targets=[target], id=id, units={target: unit}, step=step, missing=missing)

    def own_table(self) -> Table:
        """The file and its continuation.

        Raises:
            DataError: if they cannot be read.
        """
        return self._rows(self.path, *([] if self.continued is None else [self.continued]))

    def load(self, path: str) -> Table:
        """See the base class."""
        return self._rows(path)

    def _rows(self, *paths: str) -> Table:
        tables: list[Table] = [load_csv(path, Dialect(self.delimiter, self.decimal)) for path in paths]
        (target,) = self.targets
        return SeriesRows(
            tables, self.id or "", time=self.time, value=target, begin=self.begin, step=self.clock.step or ""
        )

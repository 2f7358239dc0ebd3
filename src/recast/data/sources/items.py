"""The items of a table in long form: the rows of several series, told apart by a column that names the series."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from recast.data.sources.table import Table
from recast.errors import DataError


@dataclass(frozen=True, eq=False)
class Items:
    """Which rows of a table belong to which series, where those of each stand together.

    Args:
        ids: Name of each series.
        starts: First row of each, int64, ascending.
        rows: Rows of the table.
    """

    ids: tuple[str, ...]
    starts: np.ndarray
    rows: int

    @classmethod
    def one(cls, rows: int) -> "Items":
        """A table that holds one series."""
        return cls(("1",), np.zeros(1, dtype=np.int64), rows)

    @property
    def codes(self) -> np.ndarray:
        """The series of each row as an index into `ids`, shape (rows,)."""
        return np.repeat(np.arange(len(self.starts)), np.diff(self.starts, append=self.rows))

    @property
    def first(self) -> np.ndarray:
        """Whether a row is the first one of its series, shape (rows,)."""
        found = np.zeros(self.rows, dtype=bool)
        found[self.starts] = True
        return found

    def of(self, row: int) -> str:
        """The series of a row, to be added to its stamp in a message: " of 'gauge 3'"; "" for a single series."""
        if len(self.ids) == 1:
            return ""
        return f" of {self.ids[int(np.searchsorted(self.starts, row, side='right')) - 1]!r}"

    def starts_among(self, kept: np.ndarray) -> np.ndarray:
        """First row of each series among the rows that are kept; series without any are left out.

        Args:
            kept: Whether a row is kept, shape (rows,).
        """
        counts = np.add.reduceat(kept, self.starts, dtype=np.int64)
        return (np.cumsum(counts) - counts)[counts > 0]


class Grouped(Table):
    """A table whose rows were put in another order, so that those of a series stand together.

    Args:
        table: The table.
        order: The row of the table for each row of this one, int64, shape (rows,).
    """

    def __init__(self, table: Table, order: np.ndarray) -> None:
        self._table, self._order = table, order
        self.label, self.kind, self.header, self.decimal = table.label, table.kind, table.header, table.decimal

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._order)

    def read(self, names: list[str], numbers: Collection[str] = ()) -> dict[str, pd.Series]:
        """See the base class."""
        return self.arranged(self._table.read(names, numbers))

    def arranged(self, columns: dict[str, pd.Series]) -> dict[str, pd.Series]:
        """Columns of the table in the order of this one."""
        return {name: column.iloc[self._order].reset_index(drop=True) for name, column in columns.items()}

    def row(self, row: int) -> str:
        """See the base class."""
        return self._table.row(int(self._order[row]))

    def found(self, row: int, column: str) -> str:
        """See the base class."""
        return self._table.found(int(self._order[row]), column)


def by_item(table: Table, column: str, columns: dict[str, pd.Series]) -> tuple[Table, Items, dict[str, pd.Series]]:
    """A table in long form, the rows of each series together, in the order in which series and rows stand there.

    Args:
        table: The table.
        column: The column that names the series of a row.
        columns: The columns that are read, that one among them.

    Returns:
        The table, its series, and the columns, in the new order of the rows.

    Raises:
        DataError: if a row names no series.
    """
    codes, names = pd.factorize(columns[column])
    same, ids = pd.factorize(pd.Index(names).astype(str).str.strip())
    empty = (codes < 0) | np.append(ids == "", False)[np.append(same, -1)[codes]]
    if empty.any():
        row = int(empty.argmax())
        raise DataError(
            f"{table.where(row, column)}: found {table.found(row, column)!r}; expected the name of a series "
            f"({empty.sum()} row(s) have none); correct the row"
        )
    codes = same[codes]
    if (np.diff(codes) < 0).any():
        order = np.argsort(codes, kind="stable")
        table = Grouped(table, order)
        columns = table.arranged(columns)
    counts = np.bincount(codes)
    return table, Items(tuple(ids), np.cumsum(counts) - counts, len(codes)), columns

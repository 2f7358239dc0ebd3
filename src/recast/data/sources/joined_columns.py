"""Several columns of a table read as one: dates and hours that stand apart."""

from collections.abc import Collection

import numpy as np
import pandas as pd

from recast.data.sources.table import Table


class JoinedColumns(Table):
    """A table with one more column: the words of several, with a blank between them.

    Args:
        table: The table.
        parts: The columns that are joined.
        name: Name of the column that they make.
    """

    def __init__(self, table: Table, parts: list[str], name: str) -> None:
        self._table, self._parts, self._name = table, parts, name
        self.label, self.kind, self.decimal = table.label, table.kind, table.decimal
        self.header = [*table.header, name]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._table)

    def read(self, names: list[str], numbers: Collection[str] = ()) -> dict[str, pd.Series]:
        """See the base class."""
        others = [name for name in names if name != self._name]
        found = self._table.read(list(dict.fromkeys([*others, *self._parts])), numbers)
        columns = {name: found[name] for name in others}
        if self._name in names:
            words = [_words(found[part]) for part in self._parts]
            joined = words[0].str.cat(words[1:], sep=" ")
            columns[self._name] = joined.mask(np.logical_or.reduce([found[part].isna() for part in self._parts]))
        return columns

    def row(self, row: int) -> str:
        """See the base class."""
        return self._table.row(row)

    def where(self, row: int, column: str) -> str:
        """See the base class."""
        if column != self._name:
            return self._table.where(row, column)
        return f"{self._table.where(row, self._parts[0])[:-1].rpartition('column ')[0]}columns {', '.join(self._parts)}"

    def found(self, row: int, column: str) -> str:
        """See the base class."""
        if column != self._name:
            return self._table.found(row, column)
        return " ".join(self._table.found(row, part).strip() for part in self._parts)


def _words(column: pd.Series) -> pd.Series:
    """A column as text; whole numbers without a decimal point."""
    if pd.api.types.is_float_dtype(column.dtype) and (column.dropna() % 1 == 0).all():
        column = column.astype("Int64")
    return column.astype(str).str.strip()

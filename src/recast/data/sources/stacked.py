"""Several files as one table: each is a series, or holds several."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
import pandas as pd

from recast.data.sources.table import Table
from recast.errors import DataError

FILE = "file"
"""Name of the column that holds the names of files."""


class Stacked(Table):
    """The rows of several tables, those of the second after those of the first, with a column of the files' names.

    Args:
        label: Name of them all in messages.
        tables: The tables, by the names of their files; each must have the columns that are read.
    """

    def __init__(self, label: str, tables: dict[str, Table]) -> None:
        self.label = label
        self._names, self._tables = list(tables), list(tables.values())
        first = self._tables[0]
        self.kind, self.decimal = first.kind, first.decimal
        self.header = [*first.header, *([] if FILE in first.header else [FILE])]
        self._starts = np.cumsum([0, *(len(table) for table in self._tables)])

    def __len__(self) -> int:
        """Number of rows of all files."""
        return int(self._starts[-1])

    def read(self, names: list[str], numbers: Collection[str] = ()) -> dict[str, pd.Series]:
        """See the base class."""
        own = [name for name in names if name != FILE or FILE in self._tables[0].header]
        parts = [table.read(own, numbers) for table in self._tables]
        columns = {name: _stacked([part[name] for part in parts]) for name in own}
        if len(own) < len(names):
            codes = np.repeat(np.arange(len(self._tables)), np.diff(self._starts))
            columns[FILE] = pd.Series(pd.Categorical.from_codes(codes.tolist(), self._names))
        return columns

    def row(self, row: int) -> str:
        """See the base class."""
        table, own = self._place(row)
        return f"{table.label}, {table.row(own)}"

    def where(self, row: int, column: str) -> str:
        """See the base class."""
        table, own = self._place(row)
        return table.where(own, column)

    def found(self, row: int, column: str) -> str:
        """See the base class."""
        table, own = self._place(row)
        return table.label if column == FILE and FILE not in table.header else table.found(own, column)

    def _place(self, row: int) -> tuple[Table, int]:
        place = int(np.searchsorted(self._starts, row, side="right")) - 1
        return self._tables[place], row - int(self._starts[place])


def is_pattern(path: str) -> bool:
    """Whether a path stands for several files, as "gauges/*.csv" does."""
    return any(sign in path for sign in "*?[") and not Path(path).expanduser().exists()


def stem_of(path: str) -> str:
    """The name of a file without folder and endings."""
    return Path(path).name.partition(".")[0]


def files_of(path: str) -> dict[str, str]:
    """The files that a pattern stands for, in order of their names, by their stems.

    Raises:
        DataError: if there is none, or two have the same stem.
    """
    pattern = Path(path).expanduser()
    found = sorted(str(file) for file in Path(pattern.anchor or ".").glob(str(pattern.relative_to(pattern.anchor))))
    found = [file for file in found if Path(file).is_file()]
    if not found:
        raise DataError(f"{path}: no such files; looked in {Path(pattern.anchor or '.').resolve()}")
    files: dict[str, str] = {}
    for file in found:
        stem = stem_of(file)
        if stem in files:
            raise DataError(f"{file}: its stem names a series, but {files[stem]} has it too; rename one of them")
        files[stem] = file
    return files


def _stacked(parts: list[pd.Series]) -> pd.Series:
    if all(isinstance(part.dtype, pd.CategoricalDtype) for part in parts):
        return pd.Series(pd.api.types.union_categoricals(parts))
    return pd.concat(
        [part.astype(object) if part.dtype != parts[0].dtype else part for part in parts], ignore_index=True
    )

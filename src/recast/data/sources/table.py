"""The table interface of sources: columns by name, and locations of fields for messages."""

from abc import ABC, abstractmethod
from collections.abc import Collection
from difflib import get_close_matches

import pandas as pd

from recast.errors import DataError

LARGEST = 1e140
"""Of larger values, the squares have no finite sum."""


class Table(ABC):
    """Rows of named columns.

    Attributes:
        label: Name of the table in messages.
        kind: Its kind in messages.
        header: The columns' names.
        decimal: The decimal sign of its numbers.
    """

    label: str
    kind: str
    header: list[str]
    decimal: str = "."

    @abstractmethod
    def __len__(self) -> int:
        """Number of rows."""

    @abstractmethod
    def read(self, names: list[str], numbers: Collection[str] = ()) -> dict[str, pd.Series]:
        """The columns `names`, in any type; a missing value is NaN, None, NaT or NA.

        Args:
            names: The columns.
            numbers: Those that hold numbers: they may come as such where each of their fields is one.

        Raises:
            DataError: if a column is missing or its name is not unique.
        """

    @abstractmethod
    def row(self, row: int) -> str:
        """The location of a row, counted from 0, in messages: "line 3"."""

    @abstractmethod
    def found(self, row: int, column: str) -> str:
        """The content of a field, for messages."""

    def where(self, row: int, column: str) -> str:
        """The location of a field, to begin a message: "file.csv, line 3, column 'ssh'"."""
        return f"{self.label}, {self.row(row)}, column {column!r}"

    def position(self, name: str) -> int:
        """The position of the column `name` among the columns.

        Raises:
            DataError: if there is not exactly one of that name.
        """
        name = name if name in self.header else name.strip()
        if name not in self.header:
            near = get_close_matches(name, self.header, n=1)
            hint = f" did you mean {near[0]!r}?" if near else ""
            columns = ", ".join(map(repr, self.header))
            raise DataError(f"{self.label}: no column {name!r};{hint} the {self.kind} has {columns}")
        if self.header.count(name) > 1:
            raise DataError(
                f"{self.label}: {self.header.count(name)} columns have the name {name!r}; rename all but one"
            )
        return self.header.index(name)

"""A table as sources read it: columns by name, and messages that name the place of a field."""

from abc import ABC, abstractmethod
from difflib import get_close_matches

import pandas as pd

from recast.errors import DataError


class Table(ABC):
    """Rows of named columns.

    Attributes:
        label: What messages call the table.
        kind: What it is, as messages say it.
        header: The columns' names.
    """

    label: str
    kind: str
    header: list[str]

    @property
    def has_underscores(self) -> bool:
        """Whether there may be one in a number."""
        return True

    @abstractmethod
    def __len__(self) -> int:
        """Number of rows."""

    @abstractmethod
    def read(self, names: list[str]) -> dict[str, pd.Series]:
        """The columns `names`, in any type; a missing value is NaN, None, NaT or NA.

        Raises:
            DataError: if a column is missing or there are several of that name.
        """

    @abstractmethod
    def row(self, row: int) -> str:
        """The place of a row, counted from 0, as messages say it: "line 3"."""

    @abstractmethod
    def found(self, row: int, column: str) -> str:
        """What stands in a field, for messages."""

    def where(self, row: int, column: str) -> str:
        """The place of a field, as a message begins: "file.csv, line 3, column 'ssh'"."""
        return f"{self.label}, {self.row(row)}, column {column!r}"

    def position(self, name: str) -> int:
        """The position of the column `name` among the columns.

        Raises:
            DataError: if there is none or more than one of that name.
        """
        if name not in self.header:
            near = get_close_matches(name, self.header, n=1)
            hint = f" did you mean {near[0]!r}?" if near else ""
            if len(self.header) == 1 and any(mark in self.header[0] for mark in ";\t|"):
                hint = " fields must be separated by commas;"
            columns = ", ".join(map(repr, self.header))
            raise DataError(f"{self.label}: no column {name!r};{hint} the {self.kind} has {columns}")
        if self.header.count(name) > 1:
            raise DataError(
                f"{self.label}: {self.header.count(name)} columns have the name {name!r}; rename all but one"
            )
        return self.header.index(name)

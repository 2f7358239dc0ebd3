"""What sources of one column of a CSV file share."""

import copy

from recast.data.sources.source import Source
from recast.data.sources.table import Table
from recast.data.sources.table_source import TableSource


class ColumnSource(Source):
    """One column of a table under a meaning of its own, read by another source.

    A source of this kind subclasses this, sets `csv` and implements `read`.

    Attributes:
        csv: Reads the table.
    """

    csv: TableSource

    @property
    def time_column(self) -> str:
        """See the base class."""
        return self.csv.time

    def for_table(self, table: Table) -> "ColumnSource":
        """The source that reads the same column from another table."""
        return self._reading(self.csv.for_table(table))

    def with_step(self, step: str) -> "ColumnSource":
        """See the base class."""
        return self._reading(self.csv.with_step(step))

    def load(self, path: str) -> Table:
        """See the base class."""
        return self.csv.load(path)

    def _reading(self, csv: TableSource) -> "ColumnSource":
        twin = copy.copy(self)
        twin.csv = csv
        return twin

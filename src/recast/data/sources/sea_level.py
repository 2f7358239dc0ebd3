"""Sea level at a tide gauge, from a CSV file."""

import copy
from typing import final

from recast.data.panel import Panel
from recast.data.sources.csv_file import CsvSource
from recast.data.sources.source import Source
from recast.data.sources.table import Table
from recast.data.sources.table_source import TableSource
from recast.options import AnyFloat, checked


@final
class SeaLevelSource(Source):
    """Sea surface height at one gauge: one column of a CSV file, read as `CsvSource` reads it.

    Args:
        path: The file.
        time: Name of the time column.
        column: Name of the column of heights.
        unit: Unit of the heights.
        step: Distance between rows, a pandas offset alias.
        missing: Values that mean "not observed", such as -9999; see `CsvSource`.

    Raises:
        ConfigurationError: if the step is unknown, or both columns are the same.
    """

    @checked
    def __init__(
        self,
        *,
        path: str,
        time: str = "datetime",
        column: str = "ssh",
        unit: str = "m",
        step: str = "10min",
        missing: list[AnyFloat] | None = None,
    ) -> None:
        self.csv: TableSource = CsvSource(
            path=path, time=time, targets=[column], units={column: unit}, step=step, missing=missing
        )

    def read(self) -> Panel:
        """The heights, one channel, as one piece.

        Raises:
            DataError: as `CsvSource.read`.
        """
        return self.csv.read()

    @property
    def time_column(self) -> str:
        """See the base class."""
        return self.csv.time

    def for_table(self, table: Table) -> "SeaLevelSource":
        """The source that reads the same column from another table."""
        twin = copy.copy(self)
        twin.csv = self.csv.for_table(table)
        return twin

"""Sea level at a tide gauge, from a CSV file."""

from typing import final

from recast.data.panel import Panel
from recast.data.sources.column_source import ColumnSource
from recast.data.sources.csv_file import CsvSource
from recast.data.sources.stamps import DoubledHour
from recast.data.sources.text_lines import Decimal, Delimiter
from recast.options import AnyFloat, checked


@final
class SeaLevelSource(ColumnSource):
    """Sea surface height at one gauge: one column of a CSV file, read as `CsvSource` reads it.

    Args:
        path: The file.
        time: Name of the time column.
        column: Name of the column of heights.
        unit: Unit of the heights.
        step: Distance between rows, a pandas offset alias; None: that of the stamps.
        tolerance: Stamps that lie so near to the grid of the step ("30s") are rounded to it; None: none is.
        timezone: Zone of stamps that have none, and of days; see `CsvSource`.
        doubled_hour: Which hour a stamp means that comes twice when clocks are turned back; see `CsvSource`.
        delimiter: What separates fields.
        decimal: The decimal sign of numbers.
        missing: Values that mean "not observed", such as -9999; see `CsvSource`.

    Raises:
        ConfigurationError: if the step, the tolerance or the zone is unknown, or both columns are the same.
    """

    @checked
    def __init__(
        self,
        *,
        path: str,
        time: str = "datetime",
        column: str = "ssh",
        unit: str = "m",
        step: str | None = None,
        tolerance: str | None = None,
        timezone: str | None = None,
        doubled_hour: DoubledHour = "order",
        delimiter: Delimiter = "comma",
        decimal: Decimal = "point",
        missing: list[AnyFloat | str] | None = None,
    ) -> None:
        self.csv = CsvSource(
            path=path,
            time=time,
            targets=[column],
            units={column: unit},
            step=step,
            tolerance=tolerance,
            timezone=timezone,
            doubled_hour=doubled_hour,
            delimiter=delimiter,
            decimal=decimal,
            missing=missing,
        )

    def read(self) -> Panel:
        """The heights, one channel, as one piece.

        Raises:
            DataError: as `CsvSource.read`.
        """
        return self.csv.read()

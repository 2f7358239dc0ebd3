"""Daily bars of a stock, from a CSV file."""

from dataclasses import replace
from typing import Literal, final

import numpy as np

from recast.data.panel import Panel, columns_of
from recast.data.sources.column_source import ColumnSource
from recast.data.sources.csv_file import CsvSource
from recast.data.sources.stamps import DoubledHour
from recast.data.sources.table import Table
from recast.data.sources.text_lines import Decimal, Delimiter
from recast.errors import DataError
from recast.options import AnyFloat, checked


@final
class StockSource(ColumnSource):
    """One column of a table of open, high, low, close and volume, unchanged or as its log return.

    The log return of row t is ln(p_t / p_(t-1)), with the previous row of the file, however many days (a weekend, a
    holiday) lie between; the first row has none and is dropped. The channel is named after the column: "Close", or
    "log_return_Close".

    Args:
        path: The file.
        column: The column to read.
        transform: "price": the column unchanged; "log_return": its log return, which has no unit.
        time: Name of the time column.
        currency: Unit of all columns but "Volume", whose unit is shares.
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
        column: str = "Close",
        transform: Literal["price", "log_return"] = "price",
        time: str = "Date",
        currency: str = "USD",
        step: str | None = None,
        tolerance: str | None = None,
        timezone: str | None = None,
        doubled_hour: DoubledHour = "order",
        delimiter: Delimiter = "comma",
        decimal: Decimal = "point",
        missing: list[AnyFloat | str] | None = None,
    ) -> None:
        self.column = column
        self.transform: Literal["price", "log_return"] = transform
        self.time = time
        self.currency = currency
        self.missing = missing
        unit = "shares" if column == "Volume" else currency
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
        """The column or its log return, one channel, as one piece.

        Raises:
            DataError: as `CsvSource.read`; and for the log return, if there is only one row or a value is not positive.
        """
        table = self.csv.table
        series = self.csv.read_from(table)
        return series if self.transform == "price" else self._log_return(series, table)

    def _log_return(self, series: Panel, table: Table) -> Panel:
        dropped = np.isnan(series.values[:, 0])
        series, rows = series.without(dropped), np.flatnonzero(~dropped)
        if len(series) < 2:
            raise DataError(f"{series.label}: one row; a log return needs two at least")
        bad = np.flatnonzero(series.values[:, 0] <= 0)
        if len(bad):
            raise DataError(
                f"{table.where(int(rows[bad[0]]), self.column)}: found {series.values[bad[0], 0]:g}; "
                f"expected a positive number for a log return ({len(bad)} row(s) have none); correct the value, or "
                "choose data.source.transform=price"
            )
        return replace(
            series,
            times=series.clock[1:],
            values=np.diff(np.log(series.values), axis=0),
            columns=columns_of(targets=[f"log_return_{self.column}"]),
        )

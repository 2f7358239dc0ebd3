"""Series in a file."""

from pathlib import Path
from typing import Annotated, final

from annotated_types import MinLen

from recast.data.sources import netcdf, parquet
from recast.data.sources.csv_text import load_csv
from recast.data.sources.stacked import FILE, Stacked, files_of, is_pattern, stem_of
from recast.data.sources.stamps import DoubledHour
from recast.data.sources.table import Table
from recast.data.sources.table_source import TableSource, Targets
from recast.data.sources.text_lines import Decimal, Delimiter, Dialect
from recast.options import AnyFloat, NonNegativeInt, checked


@final
class CsvSource(TableSource):
    """One or several series in a file; see `recast.data.sources.table_source.TableSource` for how it is read.

    Files whose names end in parquet or pq are read as Parquet, those in nc, nc4 or cdf as netCDF, all others as CSV. A
    CSV file is UTF-8, with a header unless `columns` are given; it is unpacked where its name ends in gz, bz2, xz, zip
    or zst.

    Args:
        path: The file; a pattern such as "gauges/*.csv": several, each of them a series with the file's stem as its
            name, unless `id` is given.
        time: Name of the time column. Several names: columns whose words, with a blank between them, are a stamp, as
            [date, hour]; numbers, where their names are year, month, day, hour, minute, second.
        targets: Columns to forecast; "all": each column that has no other role; []: none, in a table that is joined.
        id: Name of the column that names the series of a row: series of any lengths and spans, one below the other or
            mixed. None: all rows are of one series.
        past: Columns that are inputs only, observed up to the origin. None: no such columns.
        known: Columns that are inputs known ahead, also for the steps that are forecast. None: no such columns.
        static: Columns with one value for each series that are inputs. None: no such columns.
        categories: Inputs whose values are names of levels, not numbers. None: all are numbers.
        units: Unit of each column, by name; "" by default.
        step: Distance between rows, a pandas offset alias ("10min", "h", "D", "B"). None: the most frequent
            difference of stamps. Stamps that contradict it are an error.
        tolerance: Stamps that lie so near to the grid of the step ("30s") are rounded to it; a log line says how many
            there are. None: none is.
        timezone: Zone whose clocks gave stamps without zone ("Europe/Berlin"), which are converted to UTC; days, weeks
            and months are those of this zone for stamps with one, too. None: such stamps stay as they are, and days
            begin by the offsets of the others.
        doubled_hour: Which hour a stamp without zone means that comes twice when clocks are turned back: "order", the
            first one in summer time, the one that follows a step back in winter time; "summer"; "winter".
        delimiter: What separates fields.
        decimal: The decimal sign of numbers.
        missing: Values and words that mean "not observed", such as -9999 or M (nan, in yaml .nan: an empty field); what
            becomes of rows that have one in a column used is up to the grid, and a log line says how many there are.
            None: no such values. []: no such values either, and none is looked for.
        date_format: How stamps are written, in the signs of `strftime` ("%d.%m.%Y %H:%M"; with %z for an offset). None:
            ISO 8601.
        quality: For columns of flags, the flags beside which the targets were observed ({flag: [1, 2]}); beside others
            they were not. None: there are no flags.
        comment: What lines begin with that are no rows ("#"). None: there are no such lines.
        skip: Lines at the beginning that do not belong to the table. [lines]
        columns: Names of all columns, in a file without a header. None: the first line is the header.

    Raises:
        ConfigurationError: if a column is named twice, a unit or a category belongs to no column, a target is a
            category, or the step, the tolerance or the zone is unknown.
    """

    @checked
    def __init__(
        self,
        *,
        path: str,
        time: str | Annotated[list[str], MinLen(1)],
        targets: Targets,
        id: str | None = None,
        past: list[str] | None = None,
        known: list[str] | None = None,
        static: list[str] | None = None,
        categories: list[str] | None = None,
        units: dict[str, str] | None = None,
        step: str | None = None,
        tolerance: str | None = None,
        timezone: str | None = None,
        doubled_hour: DoubledHour = "order",
        delimiter: Delimiter = "comma",
        decimal: Decimal = "point",
        missing: list[AnyFloat | str] | None = None,
        date_format: str | None = None,
        quality: dict[str, list[int | str]] | None = None,
        comment: Annotated[str, MinLen(1)] | None = None,
        skip: NonNegativeInt = 0,
        columns: Annotated[list[str], MinLen(1)] | None = None,
    ) -> None:
        self.path = path
        self.dialect = Dialect(delimiter, decimal, comment, skip, None if columns is None else tuple(columns))
        if id is None and is_pattern(path):
            id = FILE
        super().__init__(
            time=time,
            targets=targets,
            id=id,
            past=past,
            known=known,
            static=static,
            categories=categories,
            units=units,
            step=step,
            tolerance=tolerance,
            timezone=timezone,
            doubled_hour=doubled_hour,
            missing=missing,
            date_format=date_format,
            quality=quality,
        )

    def own_table(self) -> Table:
        """The file.

        Raises:
            DataError: if it cannot be read.
        """
        return self.load(self.path)

    def load(self, path: str) -> Table:
        """See the base class."""
        if is_pattern(path):
            return Stacked(path, {stem: self._load(file) for stem, file in files_of(path).items()})
        table = self._load(path)
        return Stacked(path, {stem_of(path): table}) if self.id == FILE and FILE not in table.header else table

    def _load(self, path: str) -> Table:
        """The table in a file, of the kind that its ending says."""
        ending = Path(path).suffix.lower()
        if ending in parquet.ENDINGS:
            return parquet.load_parquet(path, self.time, self.id)
        if ending in netcdf.ENDINGS:
            return netcdf.load_netcdf(path, self.time, self.id)
        return load_csv(path, self.dialect)

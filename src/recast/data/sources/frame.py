"""A series in a pandas frame."""

from collections.abc import Collection
from typing import Annotated, Any, final

import pandas as pd
from annotated_types import MinLen

from recast.data.sources.stamps import DoubledHour
from recast.data.sources.table import Table
from recast.data.sources.table_source import TableSource, Targets
from recast.errors import DataError
from recast.options import AnyFloat, checked


class FrameTable(Table):
    """A frame as a table; its index, or a level of it, is a column if it holds the time or the names of series.

    Args:
        frame: The frame; it is not changed.
        time: Name of the time column. If no column has it, the level of the index that has that name or dates is used.
        label: Name of the frame in messages.
        id: Name of the column that names series, or of a level of the index; an unnamed level beside the time is it,
            too. None: the frame holds one series.
    """

    kind = "frame"

    def __init__(self, frame: pd.DataFrame, time: str, label: str = "the frame", id: str | None = None) -> None:
        if not isinstance(frame, pd.DataFrame):
            raise DataError(f"{label}: found a {type(frame).__name__}; expected a pandas DataFrame")
        self.label = label
        self._frame = _with_index(frame, time, id)
        self.header = [str(name) for name in self._frame.columns]
        if not len(frame):
            raise DataError(f"{label}: columns ({', '.join(self.header)}) and no rows")

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._frame)

    def read(self, names: list[str], numbers: Collection[str] = ()) -> dict[str, pd.Series]:
        """See the base class."""
        return {name: self._column(name) for name in names}

    def row(self, row: int) -> str:
        """The position of a row."""
        return f"row {row}"

    def found(self, row: int, column: str) -> str:
        """See the base class."""
        return str(self._column(column).iloc[row])

    def _column(self, name: str) -> pd.Series:
        column: Any = self._frame.iloc[:, self.position(name)]
        return column.reset_index(drop=True)


def _with_index(frame: pd.DataFrame, time: str, id: str | None) -> pd.DataFrame:
    """A frame with time and names of series in columns; see `FrameTable`."""
    lacking = [name for name in (time, id) if name is not None and name not in frame.columns]
    names = list(frame.index.names)
    for name in lacking:
        if name not in names:
            free = [place for place, own in enumerate(names) if own not in lacking]
            dates = [place for place in free if _has_dates(frame.index, place)]
            # A single index without dates may be nothing but the numbers of rows.
            others = [place for place in free if place not in dates] if len(names) > 1 else []
            places = dates if name == time else others
            if len(places) == 1:
                names[places[0]] = name
    found = [name for name in lacking if name in names]
    return frame.rename_axis(index=names).reset_index(level=found) if found else frame


def _has_dates(index: pd.Index, place: int) -> bool:
    level = index.levels[place] if isinstance(index, pd.MultiIndex) else index
    return pd.api.types.is_datetime64_any_dtype(level.dtype)


@final
class FrameSource(TableSource):
    """One or several series in a frame passed by a program; see `recast.data.sources.table_source.TableSource`.

    Args:
        time: Name of the time column, or of the index. Several names: columns whose words, with a blank between them,
            are a stamp, as [date, hour]; numbers, where their names are year, month, day, hour, minute, second.
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
        missing: Values and words that mean "not observed", such as -9999, nan or M; what becomes of rows that have one
            in a column used is up to the grid. None: no such values. []: no such values either, and none is looked for.
        date_format: How stamps are written, in the signs of `strftime` ("%d.%m.%Y %H:%M"; with %z for an offset). None:
            ISO 8601.
        quality: For columns of flags, the flags beside which the targets were observed ({flag: [1, 2]}); beside others
            they were not. None: there are no flags.

    Raises:
        ConfigurationError: if a column is named twice, a unit or a category belongs to no column, a target is a
            category, or the step, the tolerance or the zone is unknown.
    """

    @checked
    def __init__(
        self,
        *,
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
        missing: list[AnyFloat | str] | None = None,
        date_format: str | None = None,
        quality: dict[str, list[int | str]] | None = None,
    ) -> None:
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
        """Not available: a frame exists only in the program that made it.

        Raises:
            DataError: always.
        """
        raise DataError(
            "the data are a frame of the program that trained on it (data=frame), which no file holds; give a CSV file "
            "with the same columns (path=FILE), or train on one (data=csv)"
        )

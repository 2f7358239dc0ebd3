"""Reads a panel from a table, strictly: anything that is not clearly an observation is an error with its location."""

import copy
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Any, Literal

import numpy as np
import pandas as pd

from recast.data.panel import Column, Panel, columns_of
from recast.data.sources.clock import Clock
from recast.data.sources.items import Items, by_item
from recast.data.sources.joined_columns import JoinedColumns
from recast.data.sources.observations import Observations
from recast.data.sources.source import Source
from recast.data.sources.stamps import DoubledHour, Stamps, check_format, check_zone, parse_stamps
from recast.data.sources.step import duration, parse_step
from recast.data.sources.table import Table
from recast.errors import ConfigurationError, DataError

Targets = list[str] | Literal["all"]
"""Names of the targets; "all": each column that has no other role; []: none, in a table that is joined to a series."""

TIME = "time"
"""Name of the time in forecasts, where a table has it in several columns."""
SIGNS = {"year": "%Y", "month": "%m", "day": "%d", "hour": "%H", "minute": "%M", "second": "%S"}
"""What numbers of a stamp are called, and their signs in a format."""


class TableSource(Source):
    """One series, or several one below the other, in a table whose columns have roles.

    Stamps are ISO 8601, each later than the previous one of its series; those with a zone or offset are converted to
    UTC. Values are finite numbers. A common sentinel (-9999, -999, 99999, ...) more than 20 robust standard deviations
    from the median of its series is an error until `missing` says what it means, and so is a value that is repeated far
    from all others. Other columns are ignored.

    Args:
        time: Name of the time column; several names: columns whose words, with a blank between them, are a stamp, as
            [date, hour]; or numbers, where their names are year, month, day, hour, minute and second.
        targets: Columns to forecast; "all": each column of the table that has no other role; []: none, in a table of
            inputs that is joined to a series.
        id: Name of the column that names the series of a row; None: the table holds one series.
        past: Columns that are inputs only, observed up to the origin.
        known: Columns that are inputs known ahead, also for the steps that are forecast.
        static: Columns with one value for each series that are inputs.
        categories: Inputs whose values are names of levels, not numbers.
        units: Unit of each column, by name; "" by default.
        step: Distance between rows, a pandas offset alias; None: the most frequent difference of stamps.
        tolerance: Stamps that lie so near to the grid of the step are rounded to it; None: none.
        timezone: Zone whose clocks gave stamps that have none, and whose days and months a step counts; None: unknown.
        doubled_hour: Which hour a stamp without zone means that comes twice when clocks are turned back.
        missing: Values and words that mean "not observed"; None: none. []: none, and none is looked for.
        date_format: How stamps are written, in the signs of `strftime`; None: ISO 8601.
        quality: For columns of flags, the flags beside which the targets were observed; beside others they were not.

    Raises:
        ConfigurationError: if a column is named twice or none is, a unit or a category belongs to no column, a target
            is a category, or the step, the tolerance or the zone is unknown.
    """

    def __init__(
        self,
        *,
        time: str | list[str],
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
        missing: list[float | str] | None = None,
        date_format: str | None = None,
        quality: dict[str, list[int | str]] | None = None,
    ) -> None:
        self._parts = [time] if isinstance(time, str) else time
        self.time = " ".join(self._parts)
        self.targets = targets
        self.id = id
        self.past = past or []
        self.known = known or []
        self.static = static or []
        self.categories = categories or []
        self.units = units or {}
        self.clock = Clock(step, None, None if tolerance is None else duration(tolerance))
        self.timezone = timezone
        self.doubled_hour: DoubledHour = doubled_hour
        self.observations = Observations(missing, quality or {})
        self.date_format = _by_names(self._parts) if date_format is None else date_format
        self._given: Table | None = None
        self._check_names()
        check_zone(type(self).__name__, timezone)
        check_format(type(self).__name__, self.date_format)
        if step is not None:
            parse_step(step)
        for word in missing or []:
            if isinstance(word, str) and _is_number(word):
                raise ConfigurationError(
                    f"{type(self).__name__}: missing={missing!r}: {word!r} is a number in quotation marks; "
                    "leave them out"
                )

    @property
    def time_column(self) -> str:
        """See the base class."""
        return self.time if len(self._parts) == 1 else TIME

    @property
    def id_column(self) -> str | None:
        """See the base class."""
        return self.id

    @abstractmethod
    def own_table(self) -> Table:
        """The table that this source was made for.

        Raises:
            DataError: if it cannot be read.
        """

    def for_table(self, table: Table) -> "TableSource":
        """The source that reads the same columns from another table."""
        twin = copy.copy(self)
        twin._given = table  # noqa: SLF001 its own copy
        return twin

    def with_step(self, step: str) -> "TableSource":
        """See the base class."""
        twin = copy.copy(self)
        twin.clock = replace(self.clock, trained=step)
        return twin

    @property
    def table(self) -> Table:
        """The table read: that given by `for_table`, otherwise the source's own."""
        return self.own_table() if self._given is None else self._given

    def _check_names(self) -> None:
        owner = type(self).__name__
        inputs = [*self.past, *self.known, *self.static]
        targets = [] if self.targets == "all" else [*self.targets]
        if not (targets or self.past or self.known or self.targets == "all"):
            raise ConfigurationError(
                f"{owner}: targets=[] and no other column over time; name one to forecast, or, in a table that is "
                "joined to a series, inputs in past or known"
            )
        columns = [*self._parts, *([] if self.id is None else [self.id]), *targets, *inputs]
        for name in columns:
            if columns.count(name) > 1:
                raise ConfigurationError(
                    f"{owner}: the column {name!r} is named twice in time, id, targets, past, known and static"
                )
        for name in self.categories:
            if name in targets:
                raise ConfigurationError(
                    f"{owner}: the target {name!r} is a category; forecasts are numbers; name inputs in past or known "
                    "(targets=[] in a joined table that has no other columns)"
                )
            self._require_column("categories", name, inputs)
        if self.targets != "all":  # those are known with the table
            for name in self.units:
                self._require_column("units", name, [*targets, *inputs])

    def _require_column(self, option: str, name: str, columns: list[str]) -> None:
        """Raises ConfigurationError if an option names a column that has no role."""
        if name not in columns:
            near = get_close_matches(name, columns, n=1)
            hint = f"did you mean {near[0]!r}? " if near else ""
            raise ConfigurationError(f"{type(self).__name__}: {option} names {name!r}; {hint}the columns are {columns}")

    def _targets_of(self, table: Table) -> list[str]:
        """The names of the targets in a table."""
        if self.targets != "all":
            return [*self.targets]
        others = {*self._parts, self.id, *self.past, *self.known, *self.static, *self.observations.quality}
        found = [name for name in table.header if name not in others]
        if not found:
            columns = ", ".join(table.header)
            raise DataError(f"{table.label}: targets=all, but each of its columns ({columns}) has another role")
        for name in self.units:
            self._require_column("units", name, [*found, *self.past, *self.known, *self.static])
        return found

    def read(self) -> Panel:
        """Each series as one piece.

        Raises:
            DataError: for any fault in the table; the message names the table, row, column, what was found, what was
                expected, and the remedy.
        """
        return self.read_from(self.table)

    def read_from(self, table: Table) -> Panel:
        """The series that a table holds.

        Raises:
            DataError: as `read`.
        """
        targets = self._targets_of(table)
        names = [*targets, *self.past, *self.known, *self.static]
        table, items, columns = self._read(table, names, list(self.observations.quality))
        stamps = self._stamps(table, items, columns)
        bad = self.observations.is_bad(table, columns) if self.observations.quality else None
        values, levels = self._values(table, items, columns, targets, bad=bad)
        others, levels = self._values(table, items, columns, [*self.past, *self.known])
        values = np.hstack([values, others]) if others.size else values
        self.observations.tell_missing(table, values, targets)
        seen = ~np.asarray(np.isnan(values[:, : len(targets) or None]).all(axis=1))
        times, step = self.clock.on_step(table, self.time, stamps, items, seen)
        statics, static_levels = self._values(table, items, columns, self.static)
        constants = [
            self.observations.constants(table, name, column, items)
            for name, column in zip(self.static, statics.T, strict=True)
        ]
        return self._panel(
            table,
            items,
            stamps,
            columns=columns_of(targets=targets, past=self.past, known=self.known, units=self.units, levels=levels),
            values=values,
            times=times,
            step=step,
            static=tuple(
                Column(name, self.units.get(name, ""), "static", static_levels.get(name)) for name in self.static
            ),
            static_values=np.array(constants).reshape(len(self.static), len(items.ids)).T,
        )

    def read_known(self, table: Table) -> Panel:
        """See the base class."""
        table, items, columns = self._read(table, self.known)
        stamps = self._stamps(table, items, columns)
        times, step = self.clock.of_known(table, self.time, stamps, items)
        ahead = replace(self.observations, ahead=True)
        values, levels = self._values(table, items, columns, self.known, observations=ahead)
        return self._panel(
            table,
            items,
            stamps,
            columns=columns_of(known=self.known, units=self.units, levels=levels),
            values=values,
            times=times,
            step=step,
        )

    def _read(
        self, table: Table, names: list[str], flags: Sequence[str] = ()
    ) -> tuple[Table, Items, dict[str, pd.Series]]:
        """The time and other columns, the rows of each series together; and which they are."""
        if len(self._parts) > 1 and self.time not in table.header:
            table = JoinedColumns(table, self._parts, self.time)
        numbers = [name for name in names if name not in self.categories]
        columns = table.read([self.time, *([] if self.id is None else [self.id]), *names, *flags], numbers)
        if self.id is None:
            return table, Items.one(len(table)), columns
        return by_item(table, self.id, columns)

    def _stamps(self, table: Table, items: Items, columns: dict[str, pd.Series]) -> Stamps:
        words = columns[self.time]
        return parse_stamps(
            table,
            self.time,
            words,
            timezone=self.timezone,
            doubled=self.doubled_hour,
            items=items,
            date_format=self.date_format,
        )

    def _values(
        self,
        table: Table,
        items: Items,
        columns: dict[str, pd.Series],
        names: list[str],
        *,
        bad: np.ndarray | None = None,
        observations: Observations | None = None,
    ) -> tuple[np.ndarray, dict[str, tuple[str, ...]]]:
        """Some columns as numbers, NaN where nothing was observed, shape (rows, columns); the levels of categories."""
        observations = observations or self.observations
        values, levels = np.empty((len(table), len(names))), {}
        for place, name in enumerate(names):
            if name in self.categories:
                values[:, place], levels[name] = observations.category(table, name, columns[name])
            else:
                values[:, place] = observations.numbers(table, name, columns[name], items, bad)
        return values, levels

    def _panel(self, table: Table, items: Items, stamps: Stamps, **parts: Any) -> Panel:
        """A panel of which each series is one piece."""
        return Panel(
            starts=items.starts,
            items=np.arange(len(items.ids)),
            ids=items.ids,
            label=table.label,
            timezone=stamps.timezone,
            zone=stamps.zone,
            **parts,
        )


def _is_number(word: str) -> bool:
    try:
        return bool(np.isfinite(float(word)))
    except ValueError:
        return False


def _by_names(parts: list[str]) -> str | None:
    """The format of a stamp in several columns of numbers, by their names; None where these do not say it."""
    names = [part.strip().lower() for part in parts]
    is_told = len(names) > 1 and all(name in SIGNS for name in names)
    return " ".join(SIGNS[name] for name in names) if is_told else None

"""Reads a panel from a table, strictly: anything that is not clearly an observation is an error with its location."""

import copy
import logging
from abc import abstractmethod
from difflib import get_close_matches

import numpy as np
import pandas as pd

from recast.data.panel import Column, Panel, columns_of
from recast.data.sources.lattice import other_step, round_to_grid
from recast.data.sources.sentinels import find_sentinel
from recast.data.sources.source import Source
from recast.data.sources.stamps import DoubledHour, Stamps, check_zone, parse_stamps
from recast.data.sources.step import alias, duration, far_apart, infer_step, is_civil, parse_step
from recast.data.sources.table import LARGEST, Table
from recast.data.zone import Zone
from recast.errors import ConfigurationError, DataError

log = logging.getLogger(__name__)

NUMBER = r"(?ai)[ \t]*[+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|inf|infinity|nan)[ \t]*"


class TableSource(Source):
    """One long series in a table whose columns have roles.

    Stamps are ISO 8601, each later than the previous one; those with a zone or offset are converted to UTC. Values are
    finite numbers. A common sentinel (-9999, -999, 99999, ...) more than 20 robust standard deviations from the median
    is an error until `missing` says what it means, and so is a value that is repeated far from all others. Other
    columns are ignored.

    Args:
        time: Name of the time column.
        targets: Columns to forecast.
        past: Columns that are inputs only, observed up to the origin.
        known: Columns that are inputs known ahead, also for the steps that are forecast.
        static: Columns with one value for the whole table that are inputs.
        categories: Inputs whose values are names of levels, not numbers.
        units: Unit of each column, by name; "" by default.
        step: Distance between rows, a pandas offset alias; None: the most frequent difference of stamps.
        tolerance: Stamps that lie so near to the grid of the step are rounded to it; None: none.
        timezone: Zone whose clocks gave stamps that have none, and whose days and months a step counts; None: unknown.
        doubled_hour: Which hour a stamp without zone means that comes twice when clocks are turned back.
        missing: Values that mean "not observed"; None: none. []: none, and none is looked for.

    Raises:
        ConfigurationError: if a column is named twice, a unit or a category belongs to no column, a target is a
            category, or the step, the tolerance or the zone is unknown.
    """

    def __init__(
        self,
        *,
        time: str,
        targets: list[str],
        past: list[str] | None = None,
        known: list[str] | None = None,
        static: list[str] | None = None,
        categories: list[str] | None = None,
        units: dict[str, str] | None = None,
        step: str | None = None,
        tolerance: str | None = None,
        timezone: str | None = None,
        doubled_hour: DoubledHour = "order",
        missing: list[float] | None = None,
    ) -> None:
        self.time = time
        self.targets = targets
        self.past = past or []
        self.known = known or []
        self.static = static or []
        self.categories = categories or []
        self.units = units or {}
        self.step = step
        self.tolerance = None if tolerance is None else duration(tolerance)
        self.timezone = timezone
        self.doubled_hour: DoubledHour = doubled_hour
        self.missing = missing
        self._given: Table | None = None
        self._trained_step: str | None = None
        self._check_names()
        check_zone(type(self).__name__, timezone)
        if step is not None:
            parse_step(step)

    @property
    def time_column(self) -> str:
        """See the base class."""
        return self.time

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
        twin._trained_step = step  # noqa: SLF001 its own copy
        return twin

    @property
    def table(self) -> Table:
        """The table read: that given by `for_table`, otherwise the source's own."""
        return self.own_table() if self._given is None else self._given

    def _check_names(self) -> None:
        owner = type(self).__name__
        inputs = [*self.past, *self.known, *self.static]
        columns = [self.time, *self.targets, *inputs]
        for name in columns:
            if columns.count(name) > 1:
                raise ConfigurationError(
                    f"{owner}: the column {name!r} is named twice in time, targets, past, known and static"
                )
        for option, names, known in (("units", self.units, columns[1:]), ("categories", self.categories, inputs)):
            for name in names:
                if option == "categories" and name in self.targets:
                    raise ConfigurationError(f"{owner}: the target {name!r} is a category; forecasts are numbers")
                if name not in known:
                    near = get_close_matches(name, known, n=1)
                    hint = f"did you mean {near[0]!r}? " if near else ""
                    raise ConfigurationError(f"{owner}: {option} names {name!r}; {hint}the columns are {known}")

    def read(self) -> Panel:
        """The series as one piece.

        Raises:
            DataError: for any fault in the table; the message names the table, row, column, what was found, what was
                expected, and the remedy.
        """
        return self.read_from(self.table)

    def read_from(self, text: Table) -> Panel:
        """The series that a table holds.

        Raises:
            DataError: as `read`.
        """
        columns = [*self.targets, *self.past, *self.known]
        table, levels = self._read(text, [self.time, *columns, *self.static])
        times, timezone, zone = self._stamps(text, table)
        values = self._values(text, table, columns, levels)
        self._log_missing(text, values)
        seen = ~np.asarray(np.isnan(values[:, : len(self.targets)]).all(axis=1))
        times, step = self._on_step(text, times, zone, seen)
        return Panel(
            columns=columns_of(targets=self.targets, past=self.past, known=self.known, units=self.units, levels=levels),
            values=values,
            starts=np.zeros(1, dtype=np.int64),
            label=text.label,
            times=times,
            step=step,
            timezone=timezone,
            zone=zone,
            static=tuple(Column(name, self.units.get(name, ""), "static", levels.get(name)) for name in self.static),
            static_values=self._constants(text, self._values(text, table, self.static, levels)),
        )

    def read_known(self, table: Table) -> Panel:
        """See the base class."""
        columns, levels = self._read(table, [self.time, *self.known])
        times, timezone, zone = self._stamps(table, columns)
        step = self.step or self._trained_step or ""
        if self.tolerance is not None and step:
            times = self._rounded(table, times, zone, step, self.tolerance)
        return Panel(
            columns=columns_of(known=self.known, units=self.units, levels=levels),
            values=self._values(table, columns, self.known, levels),
            starts=np.zeros(1, dtype=np.int64),
            label=table.label,
            times=times,
            step=step,
            timezone=timezone,
            zone=zone,
        )

    def _stamps(self, text: Table, table: dict[str, pd.Series]) -> Stamps:
        return parse_stamps(text, self.time, table[self.time], self.timezone, self.doubled_hour)

    def _on_step(self, text: Table, times: np.ndarray, zone: Zone | None, seen: np.ndarray) -> tuple[np.ndarray, str]:
        """The stamps, rounded if they are to be, and their step.

        Args:
            text: The table, for messages.
            times: Its stamps.
            zone: Local time, where it is known.
            seen: Where a target was observed: what lies between is no row of the series.

        Raises:
            DataError: if they have another step than they are said to have.
        """
        step = self.step or self._trained_step
        seen = seen if seen.sum() > 1 else np.ones(len(times), dtype=bool)
        observed = times[seen]
        if step is None:
            local = observed if zone is None or not far_apart(observed) else zone.local(observed)
            step = infer_step(local, text.label, self.tolerance)
        if self.tolerance is not None:
            times = self._rounded(text, times, zone, step, self.tolerance)
            observed = times[seen]
        if self.step is not None or self._trained_step is not None:
            local = zone is not None and (is_civil(step) or far_apart(observed))
            other = other_step(zone.local(observed) if zone is not None and local else observed, step)
            if other is not None and self._trained_step is not None:
                raise DataError(
                    f"{text.label}: the step of its rows is {other}, but the model was trained on {step}; give rows of "
                    "that step"
                )
            if other is not None:
                raise DataError(
                    f"{text.label}: the step of its rows is {other}, not {step}; say so: "
                    f"data.source.step={other.split()[0]}, or let it be read: data.source.step=null"
                )
        return times, step

    def _rounded(
        self, text: Table, times: np.ndarray, zone: Zone | None, step: str, tolerance: np.timedelta64
    ) -> np.ndarray:
        """Stamps near to the grid of the step on it; how many were moved is logged."""
        local = zone.local(times) if zone is not None and is_civil(step) else times
        rounded = round_to_grid(local, step, tolerance)
        moved = rounded != local
        twice = np.flatnonzero(np.diff(rounded) <= np.timedelta64(0, "ns"))
        if len(twice):
            row = int(twice[0]) + 1
            raise DataError(
                f"{text.where(row, self.time)}: found {text.found(row, self.time)!r}, which belongs to the same stamp "
                f"of the {step} grid as {text.row(row - 1)} within the tolerance of {_length(tolerance)}; choose "
                "a smaller data.source.tolerance"
            )
        if not moved.any():
            return times
        log.info(
            "%s: %d of %d stamps rounded to the %s grid, by %s at most (tolerance %s)",
            *(text.label, moved.sum(), len(times), step, _length(np.abs(rounded - local).max())),
            _length(tolerance),
        )
        return zone.utc(rounded) if zone is not None and is_civil(step) else rounded

    def _values(
        self, text: Table, table: dict[str, pd.Series], names: list[str], levels: dict[str, tuple[str, ...]]
    ) -> np.ndarray:
        """The columns as numbers, NaN where nothing was observed, shape (rows, columns)."""
        values = np.empty((len(text), len(names)))
        for place, name in enumerate(names):
            if name in levels:
                codes = pd.Categorical(table[name], categories=list(levels[name])).codes
                values[:, place] = np.where(codes < 0, np.nan, codes)
                continue
            numbers = _numbers(text, name, table[name])
            missing = self._is_missing(numbers)
            self._refuse_unusable(text, name, np.flatnonzero(~missing), numbers[~missing])
            values[:, place] = np.where(missing, np.nan, numbers)
        return values

    def _read(self, text: Table, names: list[str]) -> tuple[dict[str, pd.Series], dict[str, tuple[str, ...]]]:
        """The columns as text, and the levels of the categories among them, in order of their names."""
        table, levels = text.read(names), {}
        for name in filter(table.__contains__, self.categories):
            words = table[name] = self._words(text, name, table[name])
            levels[name] = tuple(sorted(words.dropna().unique()))
            if not levels[name]:
                raise DataError(f"{text.label}, column {name!r}: a category without any level; leave the column out")
        return table, levels

    def _words(self, text: Table, name: str, words: pd.Series) -> pd.Series:
        """The names of a category's levels, NaN where nothing was observed."""
        missing = words.isna()
        words = words.astype(str).str.strip().mask(missing)
        empty = (words.isna() | (words == "")).to_numpy(dtype=bool)
        if empty.any() and not np.isnan(self.missing or []).any():
            row = int(empty.argmax())
            raise DataError(
                f"{text.where(row, name)}: found {text.found(row, name)!r}; expected the name of a level "
                f"({empty.sum()} row(s) have none); say that they were not observed: data.source.missing=[nan]"
            )
        numbers = np.asarray(pd.to_numeric(words, errors="coerce"))
        return words.mask(empty | np.isin(numbers, self.missing or []))

    def _is_missing(self, numbers: np.ndarray) -> np.ndarray:
        """Where a value equals one of `missing`."""
        if not self.missing:
            return np.zeros(len(numbers), dtype=bool)
        missing = np.isin(numbers, self.missing)
        return missing | np.isnan(numbers) if np.isnan(self.missing).any() else missing

    def _log_missing(self, text: Table, values: np.ndarray) -> None:
        if not self.missing:
            return
        missing = np.isnan(values)
        log.info(
            "%s: %d of %d rows have a value not observed by missing=%s",
            *(text.label, missing.any(axis=1).sum(), len(values), self.missing),
        )
        if missing[:, : len(self.targets)].all():
            raise DataError(
                f"{text.label}: no target of {self.targets} is observed in any row by missing={self.missing}"
            )

    def _constants(self, text: Table, values: np.ndarray) -> np.ndarray:
        """The single value of each static column, NaN where none was observed, shape (1, columns)."""
        found = np.full((1, len(self.static)), np.nan)
        for place, name in enumerate(self.static):
            rows = np.flatnonzero(~np.isnan(values[:, place]))
            differs = rows[values[rows, place] != values[rows[:1], place]]
            if len(differs):
                first, row = int(rows[0]), int(differs[0])
                raise DataError(
                    f"{text.where(row, name)}: found {text.found(row, name)!r}, but {text.found(first, name)!r} in "
                    f"{text.row(first)}; expected one value throughout for a static column; name it in "
                    "data.source.past or data.source.known"
                )
            found[0, place] = values[rows[0], place] if len(rows) else np.nan
        return found

    def _refuse_unusable(self, text: Table, name: str, rows: np.ndarray, values: np.ndarray) -> None:
        huge = np.isfinite(values) & (np.abs(values) > LARGEST)
        if huge.any():
            row = int(rows[huge.argmax()])
            raise DataError(
                f"{text.where(row, name)}: found {text.found(row, name)!r}; expected a number of at most {LARGEST:g} "
                f"in size, so that squares of errors can be summed ({huge.sum()} row(s) have none); correct them, or "
                f'if it means "not observed", say so: data.source.missing=[{_plain(float(values[huge.argmax()]))}]'
            )
        wrong = ~np.isfinite(values)
        if wrong.any():
            row, value = int(rows[wrong.argmax()]), values[wrong.argmax()]
            remedy = (
                "delete such rows, or say that they were not observed: data.source.missing=[nan]"
                if np.isnan(value)
                else "correct the value"
            )
            raise DataError(
                f"{text.where(row, name)}: found {text.found(row, name)!r}; expected a finite number "
                f"({wrong.sum()} row(s) have none); {remedy}"
            )
        sentinel = None if self.missing == [] else find_sentinel(values)
        if sentinel is not None:
            row, value = sentinel
            raise DataError(
                f"{text.where(int(rows[row]), name)}: found {_plain(value)} in {np.sum(values == value)} row(s), far "
                f'from the other values (median {np.median(values):g}); if it means "not observed", say so: '
                f"data.source.missing=[{_plain(value)}]; if it was measured: data.source.missing=[]"
            )


def _numbers(text: Table, column: str, words: pd.Series) -> np.ndarray:
    """The column as float64, each the nearest to its decimal digits."""
    if text.decimal == "," and not pd.api.types.is_numeric_dtype(words.dtype):
        _refuse_bad(text, column, words, NUMBER.replace(r"\.", ","), "a number with a decimal comma")
        words = words.str.replace(",", ".", regex=False)
        return words.to_numpy(dtype=np.float64, na_value=np.nan)
    try:
        numbers = words.to_numpy(dtype=np.float64, na_value=np.nan)
    except (ValueError, TypeError):
        numbers = None
    if numbers is None or (text.is_odd and not pd.api.types.is_numeric_dtype(words.dtype)):
        # Python parses 1_0 as 10, and takes some control characters for blanks.
        _refuse_bad(text, column, words, NUMBER, "a number with a decimal point")
    return words.to_numpy(dtype=np.float64, na_value=np.nan) if numbers is None else numbers


def _refuse_bad(text: Table, column: str, words: pd.Series, pattern: str, expected: str) -> None:
    """Raises DataError for the first field that is there and does not match."""
    shown = words.astype(str)
    bad = (words.notna() & ~shown.str.fullmatch(pattern, na=False)).to_numpy(dtype=bool)
    if bad.any():
        row = int(bad.argmax())
        comma = text.decimal == "." and bool(shown.loc[bad].str.fullmatch(NUMBER.replace(r"\.", ",")).all())
        remedy = "say so: data.source.decimal=comma" if comma else "correct the value, or choose another column"
        raise DataError(
            f"{text.where(row, column)}: found {text.found(row, column)!r}; expected {expected} "
            f"({bad.sum()} row(s) have none); {remedy}"
        )


def _length(length: np.timedelta64) -> str:
    """A duration in words: "21s"."""
    return alias(length) if length else "0s"


def _plain(value: float) -> str:
    return repr(value).removesuffix(".0")

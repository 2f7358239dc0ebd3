"""A series in a CSV file."""

import logging
from difflib import get_close_matches
from typing import Annotated, final

import numpy as np
import pandas as pd
from annotated_types import MinLen

from recast.errors import ConfigurationError, DataError
from recast.options import AnyFloat, checked
from recast.series.csv_text import CsvText, load_csv
from recast.series.sentinels import find_sentinel
from recast.series.source import Source
from recast.series.stamps import parse_stamps
from recast.series.step import infer_step, parse_step
from recast.types import Series

log = logging.getLogger(__name__)

NUMBER = r"(?i)\s*[+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|inf|infinity|nan)\s*"


@final
class CsvSource(Source):
    """One long series in a CSV file, read strictly: what is not plainly an observation is an error that names its line.

    The file is UTF-8 with a header, fields separated by commas; other columns may be there and are not looked at.
    Stamps are ISO 8601, each later than the one before; those with a zone or offset are converted to UTC.
    Values are finite numbers. A usual sentinel (-9999, -999, 99999, ...) more than 20 robust standard deviations from
    the median is an error until `missing` says what it means.

    Args:
        path: The file.
        time: Name of the time column.
        targets: Columns to forecast.
        past: Columns that are inputs only, known up to the origin. None: no such columns.
        units: Unit of each column, by its name; "" for those not named.
        step: Distance between rows, a pandas offset alias ("10min", "h", "D", "B"). None: the most frequent
            difference of stamps.
        missing: Values that mean "not observed", such as -9999 (nan, in yaml .nan: an empty field); rows that
            have one in a column used are dropped, and a log line says how many. None: no such values. []: no such
            values either, and none is looked for.

    Raises:
        ConfigurationError: if a column is named twice, a unit belongs to no column, or the step is unknown.
    """

    @checked
    def __init__(
        self,
        *,
        path: str,
        time: str,
        targets: Annotated[list[str], MinLen(1)],
        past: list[str] | None = None,
        units: dict[str, str] | None = None,
        step: str | None = None,
        missing: list[AnyFloat] | None = None,
    ) -> None:
        self.path = path
        self.time = time
        self.targets = targets
        self.names = [*targets, *(past or [])]
        self.units = units or {}
        self.step = step
        self.missing = missing
        columns = [time, *self.names]
        for name in columns:
            if columns.count(name) > 1:
                raise ConfigurationError(f"CsvSource: the column {name!r} is named twice in time, targets and past")
        for name in self.units:
            if name not in self.names:
                near = get_close_matches(name, self.names, n=1)
                hint = f"did you mean {near[0]!r}? " if near else ""
                raise ConfigurationError(f"CsvSource: units names {name!r}; {hint}the columns are {self.names}")
        if step is not None:
            parse_step(step)

    def read(self) -> Series:
        """The series: targets, then past inputs, as one piece.

        Raises:
            DataError: for whatever is wrong with the file; the message names the file, line, column, what was found,
                what was expected, and the remedy.
        """
        return self.read_with_lines()[0]

    def read_with_lines(self) -> tuple[Series, np.ndarray]:
        """The series and the line in the file of each of its rows.

        Raises:
            DataError: as `read`.
        """
        text = load_csv(self.path)
        table = text.read([self.time, *self.names])
        times, timezone = parse_stamps(text, self.time, table[self.time])
        values = np.column_stack([_numbers(text, name, table[name]) for name in self.names])
        rows = self._observed(text, values)
        for channel, name in enumerate(self.names):
            self._refuse_unusable(text, name, rows, values[rows, channel])
        times = times[rows]
        series = Series(
            times=times,
            values=values[rows],
            names=tuple(self.names),
            units=tuple(self.units.get(name, "") for name in self.names),
            targets=len(self.targets),
            step=self.step or infer_step(times, self.path),
            starts=np.zeros(1, dtype=np.int64),
            label=self.path,
            timezone=timezone,
        )
        return series, text.lines[rows]

    def for_file(self, path: str) -> "CsvSource":
        """The source that reads the same columns from another file."""
        return CsvSource(
            path=path,
            time=self.time,
            targets=self.targets,
            past=self.names[len(self.targets) :],
            units=self.units,
            step=self.step,
            missing=self.missing,
        )

    def _observed(self, text: CsvText, values: np.ndarray) -> np.ndarray:
        """The rows without a value of `missing`."""
        if not self.missing:
            return np.arange(len(values))
        sentinel = np.isin(values, self.missing)
        if np.isnan(self.missing).any():
            sentinel |= np.isnan(values)
        dropped = sentinel.any(axis=1)
        log.info(
            "%s: %d of %d rows dropped: not observed by missing=%s",
            text.label,
            dropped.sum(),
            len(values),
            self.missing,
        )
        if dropped.all():
            raise DataError(f"{text.label}: no row is left without a value of missing={self.missing} in {self.names}")
        return np.flatnonzero(~dropped)

    def _refuse_unusable(self, text: CsvText, name: str, rows: np.ndarray, values: np.ndarray) -> None:
        wrong = ~np.isfinite(values)
        if wrong.any():
            row = int(rows[wrong.argmax()])
            remedy = (
                "mend the value"
                if np.isinf(values[wrong.argmax()])
                else "delete such rows, or let them be dropped: data.source.missing=[nan]"
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


def _numbers(text: CsvText, column: str, words: pd.Series) -> np.ndarray:
    """The column as float64, each the nearest to its decimal digits."""
    try:
        numbers = words.to_numpy(dtype=np.float64)
    except ValueError:
        numbers = None
    if numbers is None or b"_" in text.content:  # Python's reader of numbers lets 1_0 pass as 10
        bad = (words.notna() & ~words.str.fullmatch(NUMBER, na=False)).to_numpy(dtype=bool)
        if bad.any():
            row = int(bad.argmax())
            raise DataError(
                f"{text.where(row, column)}: found {text.found(row, column)!r}; expected a number with a decimal point "
                f"({bad.sum()} row(s) have none); mend the value, or choose another column"
            )
    return words.to_numpy(dtype=np.float64) if numbers is None else numbers


def _plain(value: float) -> str:
    return repr(value).removesuffix(".0")

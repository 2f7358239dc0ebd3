"""The columns of a table as numbers: anything that is not clearly an observation is an error with its location."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from recast.data.sources.items import Items
from recast.data.sources.sentinels import find_sentinel_of_items
from recast.data.sources.table import LARGEST, Table
from recast.errors import DataError

log = logging.getLogger(__name__)

USUAL_WORDS = frozenset({"", "na", "n/a", "#na", "#n/a", "nan", "-nan", "null", "none", "<na>"})
"""Words for an empty field, in lower case, that pandas takes for one."""
NUMBER = r"(?ai)[ \t]*[+-]?(?:\d+\.?\d*(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|inf|infinity|nan)[ \t]*"


@dataclass(frozen=True)
class Observations:
    """What the fields of a table mean.

    Args:
        missing: Values and words that mean "not observed"; None: none. []: none, and none is looked for.
        quality: Flags of values that were observed, by the column of flags; values of the targets beside another flag
            were not.
        ahead: Whether they are known ahead of a forecast, which needs each row.
    """

    missing: list[float | str] | None
    quality: dict[str, list[int | str]]
    ahead: bool = False

    @property
    def _numbers(self) -> list[float]:
        """The values among `missing`; a usual word such as NA stands for an empty field, as pandas reads it."""
        given = self.missing or []
        words = [np.nan for word in given if isinstance(word, str) and word.strip().lower() in USUAL_WORDS]
        return [*(number for number in given if not isinstance(number, str)), *words]

    @property
    def _words(self) -> list[str]:
        """The words among `missing`."""
        return [word.strip() for word in self.missing or [] if isinstance(word, str)]

    def is_bad(self, table: Table, columns: dict[str, pd.Series]) -> np.ndarray:
        """Where a flag says that values were not observed, bool, shape (rows,).

        Args:
            table: The table.
            columns: Its columns, those of flags among them.
        """
        bad = np.zeros(len(table), dtype=bool)
        found: list[str] = []
        for name, good in self.quality.items():
            codes, flags = pd.factorize(columns[name])
            accepted = {str(flag) for flag in good}
            found += [_flag(flag) for flag in flags]
            kept = [_flag(flag) in accepted for flag in flags]
            bad |= ~np.array([*kept, False])[codes]
        if bad.any():
            log.info(
                "%s: %d of %d rows have another flag than quality=%s", table.label, bad.sum(), len(bad), self.quality
            )
        if bad.all():
            raise DataError(
                f"{table.label}: no row has a flag of data.source.quality={self.quality}; found "
                f"{', '.join(sorted(set(found))[:9])}"
            )
        return bad

    def category(self, table: Table, name: str, words: pd.Series) -> tuple[np.ndarray, tuple[str, ...]]:
        """A category as indices of its levels, float64, NaN where nothing was observed; and its levels, ascending.

        Raises:
            DataError: if there is no level, or a row has none.
        """
        codes, found = pd.factorize(words)
        names = [str(level).strip() for level in found]
        empty = np.append([level == "" for level in names], True)[codes]
        if empty.any() and not self._has_nan:
            row = int(empty.argmax())
            raise DataError(
                f"{table.where(row, name)}: found {table.found(row, name)!r}; expected the name of a level "
                f"({empty.sum()} row(s) have none); {self._without_value}"
            )
        levels = tuple(sorted({level for level in names if level and not self._means_missing(level)}))
        if not levels:
            raise DataError(f"{table.label}, column {name!r}: a category without any level; leave the column out")
        places = {level: float(place) for place, level in enumerate(levels)}
        return np.array([*(places.get(level, np.nan) for level in names), np.nan])[codes], levels

    def numbers(
        self, table: Table, name: str, words: pd.Series, items: Items, bad: np.ndarray | None = None
    ) -> np.ndarray:
        """A column as float64, NaN where nothing was observed.

        Args:
            table: The table.
            name: The column.
            words: Its fields.
            items: The series of the table.
            bad: Where they are not to be read; None: all are.

        Raises:
            DataError: if a field is no finite number, or looks like one that means "not observed".
        """
        missing = np.zeros(len(words), dtype=bool) if bad is None else bad
        if not pd.api.types.is_numeric_dtype(words.dtype) and (self._words or bad is not None):
            missing = missing | words.astype(str).str.strip().isin(self._words).to_numpy(dtype=bool)
            words = words.mask(missing)
        numbers = _numbers(table, name, words)
        missing = missing | self._is_missing(numbers)
        self._refuse_unusable(table, name, numbers, ~missing, items)
        numbers[missing] = np.nan
        return numbers

    def constants(self, table: Table, name: str, values: np.ndarray, items: Items) -> np.ndarray:
        """The single value of a static column in each series, NaN where none was observed, shape (items,).

        Raises:
            DataError: if a series has several.
        """
        rows = np.flatnonzero(~np.isnan(values))
        codes = items.codes[rows]
        place = np.full(len(items.ids), -1)
        place[codes[::-1]] = rows[::-1]
        differs = rows[values[rows] != values[place[codes]]]
        if len(differs):
            row = int(differs[0])
            first = int(place[np.searchsorted(items.starts, row, side="right") - 1])
            raise DataError(
                f"{table.where(row, name)}: found {table.found(row, name)!r}{items.of(row)}, but "
                f"{table.found(first, name)!r} in {table.row(first)}; expected one value "
                f"{'throughout' if len(items.ids) == 1 else 'in each series'} for a static column; name it in "
                "data.source.past or data.source.known"
            )
        return np.where(place < 0, np.nan, values[place])

    def tell_missing(self, table: Table, values: np.ndarray, targets: list[str]) -> None:
        """Logs how many rows have a value not observed.

        Args:
            table: The table.
            values: Its values, targets first, shape (rows, columns).
            targets: Names of the targets.

        Raises:
            DataError: if there are targets, and none was observed in any row.
        """
        if not self.missing:
            return
        missing = np.isnan(values)
        log.info(
            "%s: %d of %d rows have a value not observed by missing=%s",
            *(table.label, missing.any(axis=1).sum(), len(values), self.missing),
        )
        if targets and missing[:, : len(targets)].all():
            raise DataError(f"{table.label}: no target of {targets} is observed in any row by missing={self.missing}")

    @property
    def _without_value(self) -> str:
        """What to do about a field without a value."""
        if self.ahead:
            return "give one; where the model reads gaps (data/grid=mask), it may be missing: data.source.missing=[nan]"
        return "delete such rows, or say that they were not observed: data.source.missing=[nan]"

    @property
    def _has_nan(self) -> bool:
        """Whether an empty field means "not observed"."""
        return bool(np.isnan(self._numbers).any())

    def _means_missing(self, word: str) -> bool:
        """Whether a word means "not observed"."""
        return word in self._words or pd.to_numeric(word, errors="coerce") in self._numbers

    def _is_missing(self, numbers: np.ndarray) -> np.ndarray:
        """Where a value equals one of `missing`."""
        if not self._numbers:
            return np.zeros(len(numbers), dtype=bool)
        missing = np.isin(numbers, self._numbers)
        return missing | np.isnan(numbers) if self._has_nan else missing

    def _refuse_unusable(self, table: Table, name: str, numbers: np.ndarray, seen: np.ndarray, items: Items) -> None:
        """Raises DataError for what is seen and no finite number, or looks like one that means "not observed"."""
        if not seen.any():
            return
        values = numbers if seen.all() else numbers[seen]

        def row_of(place: np.integer) -> int:
            return int(np.flatnonzero(seen)[place])

        # Ends first, which need no memory: NaN is at neither side of a limit.
        if not -LARGEST <= values.min() <= values.max() <= LARGEST:
            self._refuse_other_than_numbers(table, name, values, row_of)
        starts = items.starts_among(seen)
        sentinel = None if self.missing == [] else find_sentinel_of_items(values, starts)
        if sentinel is not None:
            row, value = sentinel
            count, middle = _around(values, starts, row)
            raise DataError(
                f"{table.where(row_of(np.int64(row)), name)}: found {_plain(value)} in {count} row(s), far "
                f'from the other values (median {middle:g}); if it means "not observed", say so: '
                f"data.source.missing=[{_plain(value)}]; if it was measured: data.source.missing=[]"
            )

    def _refuse_other_than_numbers(
        self, table: Table, name: str, values: np.ndarray, row_of: Callable[[np.integer], int]
    ) -> None:
        huge = np.isfinite(values) & (np.abs(values) > LARGEST)
        if huge.any():
            row = row_of(huge.argmax())
            raise DataError(
                f"{table.where(row, name)}: found {table.found(row, name)!r}; expected a number of at most {LARGEST:g} "
                f"in size, so that squares of errors can be summed ({huge.sum()} row(s) have none); correct them, or "
                f'if it means "not observed", say so: data.source.missing=[{_plain(float(values[huge.argmax()]))}]'
            )
        wrong = ~np.isfinite(values)
        if wrong.any():
            row, value = row_of(wrong.argmax()), values[wrong.argmax()]
            remedy = self._without_value if np.isnan(value) else "correct the value"
            raise DataError(
                f"{table.where(row, name)}: found {table.found(row, name)!r}; expected a finite number "
                f"({wrong.sum()} row(s) have none); {remedy}"
            )


def _flag(flag: object) -> str:
    """A flag as text; a whole number without a decimal point."""
    word = str(flag).strip()
    return word.removesuffix(".0")


def _around(values: np.ndarray, starts: np.ndarray, row: int) -> tuple[int, float]:
    """How often the value of a row is found in its series, and the median of that."""
    item = int(np.searchsorted(starts, row, side="right")) - 1
    own = values[starts[item] : np.append(starts, len(values))[item + 1]]
    return int((own == values[row]).sum()), float(np.median(own))


def _numbers(table: Table, column: str, words: pd.Series) -> np.ndarray:
    """The column as float64, each the nearest to its decimal digits; not the column's own memory."""
    if table.decimal == "," and not pd.api.types.is_numeric_dtype(words.dtype):
        _refuse_bad(table, column, words, NUMBER.replace(r"\.", ","), "a number with a decimal comma")
        words = words.str.replace(",", ".", regex=False)
        return words.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    try:
        numbers = words.to_numpy(dtype=np.float64, na_value=np.nan, copy=True)
    except (ValueError, TypeError):
        numbers = None
    if numbers is None or not pd.api.types.is_numeric_dtype(words.dtype):
        # Python parses 1_0 as 10, and takes some control characters for blanks.
        _refuse_bad(table, column, words, NUMBER, "a number with a decimal point")
    return words.to_numpy(dtype=np.float64, na_value=np.nan, copy=True) if numbers is None else numbers


def _refuse_bad(table: Table, column: str, words: pd.Series, pattern: str, expected: str) -> None:
    """Raises DataError for the first field that is there and does not match."""
    # As objects: text in Arrow's memory is matched by another engine.
    shown = words.astype(str).astype(object)
    bad = (words.notna() & ~shown.str.fullmatch(pattern, na=False)).to_numpy(dtype=bool)
    if bad.any():
        row = int(bad.argmax())
        comma = table.decimal == "." and bool(shown.loc[bad].str.fullmatch(NUMBER.replace(r"\.", ",")).all())
        if comma:
            remedy = "say so: data.source.decimal=comma"
        elif 2 * bad.sum() > len(bad):
            remedy = f"choose another column, or make an input of words a category: data.source.categories=[{column}]"
        else:
            remedy = "correct the value, or choose another column"
        raise DataError(
            f"{table.where(row, column)}: found {table.found(row, column)!r}; expected {expected} "
            f"({bad.sum()} row(s) have none); {remedy}"
        )


def _plain(value: float) -> str:
    return repr(value).removesuffix(".0")

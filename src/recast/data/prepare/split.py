"""Divides the rows of each item into training, validation and test, in this order, or its items."""

import re
from abc import ABC, abstractmethod
from itertools import pairwise
from typing import ClassVar, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Int

from recast.data.panel import Panel
from recast.data.prepare.ranges import Ranges
from recast.errors import ConfigurationError, DataError
from recast.options import Fraction, NonNegativeInt, PositiveInt, Seed, checked


class Parts(NamedTuple):
    """The rows of the three parts, of which no two share a row."""

    train: Ranges
    validation: Ranges
    test: Ranges


class Split(ABC):
    """Decides which rows are for training, validation and test. Parts never share a row.

    Attributes:
        reaches_back: The parts, "validation" or "test", whose windows may have their context in the preceding rows
            whatever `data.windows.reach_back` says.
    """

    reaches_back: ClassVar[frozenset[str]] = frozenset()

    @abstractmethod
    def parts(self, panel: Panel, *, context: int = 1, horizon: int = 1) -> Parts:
        """The row ranges of the parts of `panel`.

        Args:
            panel: The panel on its grid.
            context: How far before its first target a window reads observations, those that features look back to
                included. [steps]
            horizon: Targets of a window. [steps]

        Raises:
            DataError: if the split does not fit the panel.
        """


class FractionSplit(Split):
    """Parts by fractions of the rows of each item: the first are for training, the last for the test.

    Args:
        validation: Fraction of all rows for validation. [share of rows]
        test: Fraction of all rows for the test. [share of rows]
    """

    @checked
    def __init__(self, *, validation: Fraction = 0.1, test: Fraction = 0.2) -> None:
        _require_training(self, validation, test)
        self.validation = validation
        self.test = test

    def parts(self, panel: Panel, *, context: int = 1, horizon: int = 1) -> Parts:
        """See the class."""
        del context, horizon
        bounds = panel.item_bounds
        rows = np.diff(bounds)
        train, test = (np.round(rows * share).astype(np.int64) for share in _shares(self.validation, self.test))
        return _after(bounds, train, test, rows)


class LastSplit(Split):
    """Parts by the last rows of each item: the last are for the test, those before them for validation.

    Contexts reach back into the rows before, so that with as many rows as the horizon, the default, each item has one
    test window, which ends where it does, and one validation window before it. An item too short for all three parts
    is for testing first, and for training last.

    Args:
        validation: Rows of each item for validation. [steps]
        test: Rows of each item for the test. [steps]
    """

    reaches_back = frozenset({"validation", "test"})

    @checked
    def __init__(self, *, validation: NonNegativeInt, test: PositiveInt) -> None:
        self.validation = validation
        self.test = test

    def parts(self, panel: Panel, *, context: int = 1, horizon: int = 1) -> Parts:
        """See the class."""
        del context, horizon
        bounds = panel.item_bounds
        rows = np.diff(bounds)
        test = np.maximum(rows - self.test, 0)
        return _after(bounds, np.maximum(test - self.validation, 0), test, rows)


class ItemsSplit(Split):
    """Parts by items: some are held out whole, to see how well the model does on items that it was not trained on.

    Args:
        validation: Fraction of the items for validation. [share of items]
        test: Fraction of the items for the test. [share of items]
        seed: Seed of a random choice; none: the first items are for training, the last for the test.
    """

    @checked
    def __init__(self, *, validation: Fraction = 0.1, test: Fraction = 0.2, seed: Seed | None = None) -> None:
        _require_training(self, validation, test)
        self.validation = validation
        self.test = test
        self.seed = seed

    def parts(self, panel: Panel, *, context: int = 1, horizon: int = 1) -> Parts:
        """See the class."""
        del context, horizon
        count = len(panel.ids)
        if count < 2:
            raise DataError(
                f"{panel.label}: one item, but ItemsSplit holds out some of several; divide its rows instead "
                "(data/split=fraction, time, last)"
            )
        train, test = (round(count * share) for share in _shares(self.validation, self.test))
        place = np.arange(count)
        if self.seed is not None:
            place = np.random.default_rng(self.seed).permutation(count)
        bounds = panel.item_bounds
        rows = np.diff(bounds)
        return _after(bounds, np.where(place < train, rows, 0), np.where(place < test, rows, 0), rows)


class TimeSplit(Split):
    """Parts by dates, the same for all items: the test begins at a given time, validation ends there.

    Args:
        test: First time stamp of the test part in ISO 8601, as in "2020-06-01" or "2020-06-01 12:00". [date]
        validation: Fraction of the rows of each item before `test`, taken from their end, or the date at which
            validation begins. [share of rows, or date]
        begin: Rows before this date are left out; none: the series is used from its beginning. [date]
        end: Rows from this date on are left out; none: the series is used to its end. [date]
    """

    @checked
    def __init__(
        self, *, test: str, validation: Fraction | str = 0.1, begin: str | None = None, end: str | None = None
    ) -> None:
        self.test = date_of(self, "test", test)
        self.validation = date_of(self, "validation", validation) if isinstance(validation, str) else validation
        self.begin = None if begin is None else date_of(self, "begin", begin)
        self.end = None if end is None else date_of(self, "end", end)

    def parts(self, panel: Panel, *, context: int = 1, horizon: int = 1) -> Parts:
        """See the class."""
        del context, horizon
        bounds = panel.item_bounds
        test = rows_before(panel, self.test)
        start = np.zeros_like(test) if self.begin is None else rows_before(panel, self.begin)
        stop = np.diff(bounds) if self.end is None else rows_before(panel, self.end)
        if isinstance(self.validation, np.datetime64):
            train = rows_before(panel, self.validation)
        else:
            train = test - np.round((test - start) * self.validation).astype(np.int64)
        for first, one, other, end in zip(start, train, test, stop, strict=True):
            if not first <= one <= other <= end:
                raise DataError(
                    f"{panel.label}: the parts are out of order: training begins at row {first}, validation at row "
                    f"{one}, the test at row {other}, the end is row {end}; give ascending dates"
                )
        return _after(bounds, train, test, stop, start)


def _require_training(split: Split, validation: float, test: float) -> None:
    if validation + test >= 1:
        raise ConfigurationError(
            f"{type(split).__name__}: validation={validation} and test={test} leave nothing for training; "
            "together they must be less than 1"
        )


def _shares(validation: float, test: float) -> tuple[float, float]:
    """Where validation and test begin, as shares of the whole."""
    return 1 - test - validation, 1 - test


def _after(
    bounds: np.ndarray, train: np.ndarray, test: np.ndarray, stop: np.ndarray, start: np.ndarray | int = 0
) -> Parts:
    """Parts of each item, which begin and end after as many of its rows."""
    first = bounds[:-1]
    ends = [first + start, first + train, first + test, first + stop]
    return Parts(*(np.stack([one, other], axis=1) for one, other in pairwise(ends)))


ISO = re.compile(r"\d{4}-\d\d(-\d\d([T ]\d\d(:?\d\d(:?\d\d([.,]\d+)?)?)?(Z|[+-]\d\d(:?\d\d)?)?)?)?")


def rows_before(panel: Panel, date: np.datetime64) -> Int[np.ndarray, " items"]:
    """How many rows of each item lie before a date."""
    return np.diff(np.concatenate([[0], np.cumsum(panel.clock < date)])[panel.item_bounds])


def date_of(split: Split, option: str, text: str) -> np.datetime64:
    """The stamp that an option gives as ISO 8601 text.

    Other orders of day and month, and words such as "today", would be guesses.

    Raises:
        ConfigurationError: if it is no such date.
    """
    owner = type(split).__name__
    remedy = "is not a date in ISO 8601 such as 2020-06-01 or 2020-06-01 12:00, from 1678 to 2261"
    try:
        if not ISO.fullmatch(text.strip()):
            raise ValueError
        stamp = pd.Timestamp(text.strip()).as_unit("ns")
    except ValueError as error:
        raise ConfigurationError(f"{owner}: {option}={text!r} {remedy}") from error
    if stamp is pd.NaT:
        raise ConfigurationError(f"{owner}: {option}={text!r} {remedy}")
    if stamp.tzinfo is not None:
        stamp = stamp.tz_convert("UTC").tz_localize(None)
    return stamp.to_datetime64()

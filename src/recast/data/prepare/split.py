"""Splits a series into training, validation and test rows, in chronological order."""

import re
from abc import ABC, abstractmethod
from typing import NamedTuple

import numpy as np
import pandas as pd

from recast.data.panel import Panel
from recast.errors import ConfigurationError, DataError
from recast.options import Fraction, checked

Range = tuple[int, int]


class Parts(NamedTuple):
    """Row ranges [first, stop) of the three parts; each begins where the previous one ends."""

    train: Range
    validation: Range
    test: Range


class Split(ABC):
    """Decides which rows are for training, validation and test. Parts never share a row."""

    @abstractmethod
    def parts(self, panel: Panel) -> Parts:
        """The row ranges of the parts of `panel`.

        Raises:
            DataError: if the split does not fit the panel.
        """


class FractionSplit(Split):
    """Parts by fractions of the rows: the first are for training, the last for the test.

    Args:
        validation: Fraction of all rows for validation. [share of rows]
        test: Fraction of all rows for the test. [share of rows]
    """

    @checked
    def __init__(self, *, validation: Fraction = 0.1, test: Fraction = 0.2) -> None:
        if validation + test >= 1:
            raise ConfigurationError(
                f"FractionSplit: validation={validation} and test={test} leave nothing for training; "
                "together they must be less than 1"
            )
        self.validation = validation
        self.test = test

    def parts(self, panel: Panel) -> Parts:
        """See the class."""
        rows = len(panel)
        test = round(rows * (1 - self.test))
        train = round(rows * (1 - self.test - self.validation))
        return Parts((0, train), (train, test), (test, rows))


class TimeSplit(Split):
    """Parts by dates: the test begins at a given time, validation ends there.

    Args:
        test: First time stamp of the test part in ISO 8601, as in "2020-06-01" or "2020-06-01 12:00". [date]
        validation: Fraction of the rows before `test`, taken from their end, or the date at which validation begins.
            [share of rows, or date]
        end: Rows from this date on are left out; none: the series is used to its end. [date]
    """

    @checked
    def __init__(self, *, test: str, validation: Fraction | str = 0.1, end: str | None = None) -> None:
        self.test = _date("test", test)
        self.validation = _date("validation", validation) if isinstance(validation, str) else validation
        self.end = None if end is None else _date("end", end)

    def parts(self, panel: Panel) -> Parts:
        """See the class."""
        if not panel.is_single:
            raise DataError(f"{panel.label}: a split by time needs one series in order of time; use FractionSplit")
        times = panel.clock
        test = int(np.searchsorted(times, self.test))
        stop = len(panel) if self.end is None else int(np.searchsorted(times, self.end))
        if isinstance(self.validation, np.datetime64):
            train = int(np.searchsorted(times, self.validation))
        else:
            train = test - round(test * self.validation)
        if not train <= test <= stop:
            raise DataError(
                f"{panel.label}: the parts are out of order: validation begins at row {train}, the test at row "
                f"{test}, the end is row {stop}; give ascending dates"
            )
        return Parts((0, train), (train, test), (test, stop))


ISO = re.compile(r"\d{4}-\d\d(-\d\d([T ]\d\d(:?\d\d(:?\d\d([.,]\d+)?)?)?(Z|[+-]\d\d(:?\d\d)?)?)?)?")


def _date(option: str, text: str) -> np.datetime64:
    """A stamp from ISO 8601 text; other orders of day and month, and words such as "today", would be guesses."""
    remedy = "is not a date in ISO 8601 such as 2020-06-01 or 2020-06-01 12:00, from 1678 to 2261"
    try:
        if not ISO.fullmatch(text.strip()):
            raise ValueError
        stamp = pd.Timestamp(text.strip()).as_unit("ns")
    except ValueError as error:
        raise ConfigurationError(f"TimeSplit: {option}={text!r} {remedy}") from error
    if stamp is pd.NaT:
        raise ConfigurationError(f"TimeSplit: {option}={text!r} {remedy}")
    if stamp.tzinfo is not None:
        stamp = stamp.tz_convert("UTC").tz_localize(None)
    return stamp.to_datetime64()

"""Labelled sequences in `.ts` files."""

import re
from typing import Literal, final

import numpy as np

from recast.data.panel import Column, Panel
from recast.data.sources.source import SequenceSource
from recast.data.sources.table import LARGEST
from recast.data.sources.ts_text import TsText, load_ts
from recast.errors import DataError
from recast.options import checked

Missing = Literal["error", "hold", "mask"]
LABEL = "class"
"""Name of the column to predict."""
PLAIN = re.compile(r"[ \t0-9A-Za-z+.,?-]*")
"""What numbers are written in; Python reads 1_0 as 10, and takes some control characters for blanks."""


@final
class TsSource(SequenceSource):
    """Labelled sequences in two `.ts` files of the UEA and UCR archives (Bagnall et al. 2018, arXiv 1811.00075).

    After a header of @-lines, which names the classes and ends with @data, each line holds a sequence: its dimensions
    separated by colons, the values of a dimension by commas, and after a last colon the class. All dimensions of a
    sequence have the same number of values; sequences may differ in length.

    Args:
        path: The file to train on. [file]
        test_path: The file to test on; it has the same dimensions and classes. [file]
        names: Names of the dimensions; none: dim1, dim2, ...
        units: Units of the dimensions; none: they have none.
        missing: How missing values ("?" or NaN) are treated: an "error"; filled with the last value before ("hold";
            initial ones with the first value; a dimension without any value remains an error); or masked, for a model
            that reads masks ("mask").
    """

    @checked
    def __init__(
        self,
        *,
        path: str,
        test_path: str,
        names: list[str] | None = None,
        units: list[str] | None = None,
        missing: Missing = "error",
    ) -> None:
        self.path = path
        self.test_path = test_path
        self.names = names
        self.units = units
        self.missing: Missing = missing

    def read(self) -> tuple[Panel, Panel]:
        """See the base class.

        Raises:
            DataError: for any fault in a file; the message names the file, the line, what was found, what was expected.
        """
        text = load_ts(self.path)
        classes = text.classes
        if classes is None:
            raise DataError(f"{self.path}: its sequences are not labelled (@classLabel false); nothing can be learnt")
        train = self._sequences(text, classes)
        test = self.read_file(self.test_path, classes)
        if not test.labelled:
            raise DataError(f"{self.test_path}: its sequences are not labelled (@classLabel false); nothing to test")
        if len(train.names) != len(test.names):
            raise DataError(
                f"{self.test_path}: sequences of {len(test.names)} dimension(s), but {self.path} has "
                f"{len(train.names)}; expected two files of one problem"
            )
        return train, test

    def read_file(self, path: str, classes: tuple[str, ...]) -> Panel:
        """See the base class."""
        text = load_ts(path)
        unknown = sorted(set(text.classes or ()) - set(classes))
        if unknown:
            raise DataError(
                f"{path}: @classLabel names {', '.join(unknown)}; the classes of the training are {', '.join(classes)}"
            )
        return self._sequences(text, classes)

    def _sequences(self, text: TsText, classes: tuple[str, ...]) -> Panel:
        labelled = text.classes is not None
        numbers = {name: index for index, name in enumerate(classes)}
        expected = text.dimensions
        sequences: list[np.ndarray] = []
        labels: list[int] = []
        for number, line in text.lines:
            where = f"{text.label}, line {number}"
            dimensions = line.split(":")
            if labelled:
                name = dimensions.pop().strip()
                if name not in numbers:
                    raise DataError(
                        f"{where}: found the class {name[:30]!r} behind the last ':'; expected one of "
                        f"{', '.join(classes)}"
                    )
                labels.append(numbers[name])
            expected = expected or len(dimensions)
            if len(dimensions) != expected:
                raise DataError(
                    f"{where}: found {len(dimensions)} dimension(s) separated by ':', expected {expected}"
                    f"{' and the class behind them' if labelled else ''}"
                )
            sequences.append(_values(where, dimensions, self.missing))
        lengths = [len(sequence) for sequence in sequences]
        names = self._words("names", self.names, expected or 0, text.label, "dim{}")
        units = self._words("units", self.units, expected or 0, text.label, "")
        return Panel(
            columns=tuple(Column(name, unit, "past") for name, unit in zip(names, units, strict=True)),
            values=np.concatenate(sequences),
            starts=np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64),
            label=text.label,
            items=np.arange(len(sequences), dtype=np.int64),
            static=(Column(LABEL, role="target", levels=classes),),
            static_values=np.array(labels if labelled else [np.nan] * len(sequences), dtype=np.float64)[:, None],
        )

    @staticmethod
    def _words(option: str, given: list[str] | None, count: int, label: str, default: str) -> tuple[str, ...]:
        if given is None:
            return tuple(default.format(index + 1) for index in range(count))
        if len(given) != count:
            raise DataError(f"{label}: {count} dimension(s), but {option} has {len(given)}; give one for each, or none")
        return tuple(given)


def _values(where: str, dimensions: list[str], missing: Missing) -> np.ndarray:
    """The values of a sequence, shape (steps, dimensions)."""
    columns = [_numbers(f"{where}, dimension {index}", text) for index, text in enumerate(dimensions, start=1)]
    for index, column in enumerate(columns, start=1):
        if len(column) != len(columns[0]):
            raise DataError(
                f"{where}: dimension 1 has {len(columns[0])} value(s), dimension {index} has {len(column)}; expected "
                "equally many"
            )
    values = np.column_stack(columns)
    if np.isnan(values).any() and missing != "mask":
        step, dimension = np.argwhere(np.isnan(values))[0]
        place = f"{where}, dimension {dimension + 1}"
        if missing == "error":
            raise DataError(
                f"{place}: value {step + 1} is missing; to fill it with the value before it: data.source.missing=hold; "
                "to leave it out, for a model that reads masks: data.source.missing=mask"
            )
        if np.isnan(values).all(axis=0).any():
            raise DataError(f"{where}: a dimension without any value cannot be filled; leave the sequence out")
        values = np.column_stack([_held(column) for column in values.T])
    return values


def _numbers(where: str, text: str) -> np.ndarray:
    words = text.split(",")
    try:
        numbers = np.array(words, dtype=np.float64)
        if PLAIN.fullmatch(text) and not (np.abs(numbers) > LARGEST).any():
            return numbers
    except ValueError:
        pass
    numbers = np.empty(len(words))
    for place, word in enumerate(words):
        value = _number(word)
        if value is None:
            raise DataError(
                f"{where}: found {word.strip()[:30]!r} as value {place + 1} of {len(words)}; expected a finite number "
                "with a decimal point, or '?' where it is missing"
            )
        numbers[place] = value
    return numbers


def _number(word: str) -> float | None:
    """The value of a word; NaN if it means missing, None if it is not a number."""
    if word.strip() == "?":
        return np.nan
    try:
        value = float(word)
    except ValueError:
        return None
    return None if not PLAIN.fullmatch(word) or abs(value) > LARGEST else value


def _held(column: np.ndarray) -> np.ndarray:
    known = np.flatnonzero(~np.isnan(column))
    last = np.searchsorted(known, np.arange(len(column)), side="right") - 1
    return column[known[np.maximum(last, 0)]]

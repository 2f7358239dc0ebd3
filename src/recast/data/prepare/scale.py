"""Scaling of columns: affine, invertible, fitted on training rows or on each window: (value - offset) / scale."""

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import Literal

import numpy as np

from recast.data.local_scaling import LocalScaling
from recast.data.panel import Panel
from recast.data.prepare.ranges import Ranges, item_by_item
from recast.errors import ConfigurationError, DataError
from recast.options import PositiveFloat, checked

FittedOn = Literal["train", "everything"]
By = Literal["together", "item"]


class Scaler(ABC):
    """An affine map for each channel, fitted on the training rows of all items together.

    Args:
        fitted_on: The rows that it is fitted on. "everything" leaks the test part: for reproducing publications that do
            so.
        local: What the targets are scaled by instead, see `local_to`; None: they are scaled like other columns.
    """

    def __init__(self, fitted_on: FittedOn = "train", local: LocalScaling | None = None) -> None:
        self.fitted_on = fitted_on
        self.local = local

    def local_to(self, panel: Panel, fitted_on: Ranges) -> LocalScaling | None:
        """The scaling of targets item by item or window by window; None where they are scaled together.

        Args:
            panel: The panel.
            fitted_on: The rows that it is fitted on.
        """
        del panel, fitted_on
        return self.local

    @abstractmethod
    def measure(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Offset and scale of each channel, shape (channels,) each, from values (rows, channels)."""

    def fit(self, values: np.ndarray, names: tuple[str, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Offset and scale of each channel in its unit.

        Args:
            values: The rows that it is fitted on, NaN where nothing was observed, shape (rows, channels).
            names: Channel names, for messages.

        Raises:
            DataError: if a channel is constant on these rows, or nothing of it was observed.
        """
        offset, scale = self._measure_observed(values, names)
        for name, size, column in zip(names, scale, values.T, strict=True):
            # Rounding leaves a spread of a few ulps in a constant channel.
            first = column[0] if np.isfinite(column[0]) else column[np.isfinite(column)][0]
            if not size > 8 * np.finfo(np.float64).eps * abs(first):
                raise DataError(
                    f"column {name}: it is constant ({first:g}) on all {len(values)} training rows, so it cannot be "
                    "scaled and holds nothing to learn; leave it out, or use scaler NoScaling"
                )
        return tuple(offset.tolist()), tuple(scale.tolist())

    def _measure_observed(self, values: np.ndarray, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
        """`measure` over the observed values of each channel."""
        observed = ~np.isnan(values)
        if observed.all():
            return self.measure(values)
        for name, seen in zip(names, observed.T, strict=True):
            if not seen.any():
                raise DataError(f"column {name}: nothing was observed on all {len(values)} training rows; leave it out")
        channels = [self.measure(column[seen, None]) for column, seen in zip(values.T, observed.T, strict=True)]
        offset, scale = (np.concatenate(numbers) for numbers in zip(*channels, strict=True))
        return offset, scale


class ItemScaler(Scaler):
    """A scaler that can be fitted on each item by itself."""

    def local_to(self, panel: Panel, fitted_on: Ranges) -> LocalScaling | None:
        """See the base class."""
        if self.local is None:
            return None
        ids, offset, scale = [], [], []
        for name, rows in zip(panel.ids, item_by_item(panel, panel.targets, fitted_on), strict=True):
            if len(rows) and not np.isnan(rows).all(axis=0).any():
                location, size = self._measure_observed(rows, panel.names[: rows.shape[1]])
                least = self.local.smallest * np.nanmean(np.abs(rows), axis=0)
                ids.append(name)
                offset.append(tuple(location.tolist()))
                scale.append(tuple(np.maximum(size, np.where(least > 0, least, 1.0)).tolist()))
        return replace(self.local, ids=tuple(ids), offset=tuple(offset), scale=tuple(scale))


class Standard(ItemScaler):
    """Zero mean and unit (population) standard deviation.

    Args:
        fitted_on: The rows that it is fitted on; "everything" leaks the test part, for reproducing publications.
        by: "together": one scaling for all items. "item": the targets of each item by its own training rows, at least a
            thousandth of its mean absolute value (1 where that is 0); an item without training rows, held out or new
            at forecast time, by the context of each window. Other columns are scaled together.
    """

    @checked
    def __init__(self, *, fitted_on: FittedOn = "train", by: By = "together") -> None:
        super().__init__(fitted_on, LocalScaling(statistic="standard") if by == "item" else None)

    def measure(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See the base class."""
        return values.mean(axis=0), values.std(axis=0)


class MinMax(ItemScaler):
    """Maps minimum and maximum to `low` and `high`. Values of other rows may lie outside.

    Args:
        low: Scaled value of the minimum. [scaled]
        high: Scaled value of the maximum; above `low`. [scaled]
        fitted_on: The rows that it is fitted on; "everything" leaks the test part, for reproducing publications.
        by: "together": one scaling for all items; "item": the targets of each item by its own training rows, as for
            `Standard`.
    """

    @checked
    def __init__(
        self, *, low: float = -1.0, high: float = 1.0, fitted_on: FittedOn = "train", by: By = "together"
    ) -> None:
        local = LocalScaling(statistic="minmax", low=low, high=high)
        super().__init__(fitted_on, local if by == "item" else None)
        if not low < high:
            raise ConfigurationError(f"MinMax: low={low} must lie below high={high}")
        self.low = low
        self.high = high

    def measure(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See the base class."""
        smallest, largest = values.min(axis=0), values.max(axis=0)
        scale = (largest - smallest) / (self.high - self.low)
        return smallest - self.low * scale, scale


class WindowScaler(Scaler):
    """Scales the targets of each window by its own context, so that level and size of an item do not matter.

    Location and scale are those of the observed values of the context; forecasts are brought back with the same. With
    `statistic=standard` it is RevIN without its learnt factors (Kim et al. 2022, "Reversible instance normalization").
    Other columns have zero mean and unit standard deviation over the training rows.

    Args:
        statistic: "mean": the mean, and the mean absolute deviation from it; "last": the last value, and the mean
            absolute deviation from it; "standard": mean and standard deviation.
        smallest: Least scale as a share of the mean absolute value of the context, for contexts that are (nearly)
            constant; where all values are 0, the scale is 1. [share]
        level: Whether the model also reads log(1 + |location| / scale) of each target, which the scaling removes.
    """

    @checked
    def __init__(
        self,
        *,
        statistic: Literal["mean", "last", "standard"] = "mean",
        smallest: PositiveFloat = 1e-3,
        level: bool = False,
    ) -> None:
        super().__init__(local=LocalScaling(statistic=statistic, smallest=smallest, level=level))

    def measure(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See the base class."""
        return values.mean(axis=0), values.std(axis=0)


class Rescale(Scaler):
    """Divides by the power of two next to the mean absolute value, and subtracts nothing: 0 stays 0.

    So it rounds nothing either: a count that was divided and multiplied again is the same number.

    Args:
        fitted_on: The rows that it is fitted on; "everything" leaks the test part, for reproducing publications.
    """

    @checked
    def __init__(self, *, fitted_on: FittedOn = "train") -> None:
        super().__init__(fitted_on)

    def measure(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See the base class."""
        size = np.abs(values).mean(axis=0)
        # A column of zeros has size 0, which is refused.
        return np.zeros(len(size)), np.where(size > 0, np.exp2(np.log2(np.where(size > 0, size, 1.0)).round()), 0.0)


class NoScaling(Scaler):
    """Values stay in the data's own unit."""

    @checked
    def __init__(self) -> None:
        super().__init__()

    def measure(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See the base class."""
        channels = values.shape[1]
        return np.zeros(channels), np.ones(channels)

    def fit(self, values: np.ndarray, names: tuple[str, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """See the base class; constant channels are allowed here."""
        offset, scale = self._measure_observed(values, names)
        return tuple(offset.tolist()), tuple(scale.tolist())

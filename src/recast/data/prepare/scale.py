"""Scaling of channels: fitted on training rows, affine, invertible: scaled = (value - offset) / scale."""

from abc import ABC, abstractmethod
from typing import Literal

import numpy as np

from recast.errors import ConfigurationError, DataError
from recast.options import checked

FittedOn = Literal["train", "everything"]


class Scaler(ABC):
    """An affine map for each channel, fitted on the training rows.

    Args:
        fitted_on: The rows that it is fitted on. "everything" leaks the test part: for reproducing publications that do
            so.
    """

    def __init__(self, fitted_on: FittedOn = "train") -> None:
        self.fitted_on = fitted_on

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


class Standard(Scaler):
    """Zero mean and unit (population) standard deviation.

    Args:
        fitted_on: The rows that it is fitted on; "everything" leaks the test part, for reproducing publications.
    """

    @checked
    def __init__(self, *, fitted_on: FittedOn = "train") -> None:
        super().__init__(fitted_on)

    def measure(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See the base class."""
        return values.mean(axis=0), values.std(axis=0)


class MinMax(Scaler):
    """Maps minimum and maximum to `low` and `high`. Values of other rows may lie outside.

    Args:
        low: Scaled value of the minimum. [scaled]
        high: Scaled value of the maximum; above `low`. [scaled]
        fitted_on: The rows that it is fitted on; "everything" leaks the test part, for reproducing publications.
    """

    @checked
    def __init__(self, *, low: float = -1.0, high: float = 1.0, fitted_on: FittedOn = "train") -> None:
        super().__init__(fitted_on)
        if not low < high:
            raise ConfigurationError(f"MinMax: low={low} must lie below high={high}")
        self.low = low
        self.high = high

    def measure(self, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See the base class."""
        smallest, largest = values.min(axis=0), values.max(axis=0)
        scale = (largest - smallest) / (self.high - self.low)
        return smallest - self.low * scale, scale


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

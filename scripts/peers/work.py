"""What every library works on: the same series, the same parts, the same windows, one error in metres."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .series import read

TEST = 0.17
"""Share of the rows at the end of the series that are for the test; all others are trained on."""


@dataclass(frozen=True)
class Work:
    """Windows of `context` rows read and `horizon` rows forecast, of one series.

    Args:
        series: CSV file of the series.
        context: Rows read. [steps]
        horizon: Rows forecast. [steps]
        hidden: Size of the recurrent state.
        batch: Windows in a training batch. [windows]
        every: Distance between the test windows that are forecast. [steps]
        seed: Of weights and order.
    """

    series: str
    context: int
    horizon: int
    hidden: int
    batch: int
    every: int
    seed: int

    @property
    def length(self) -> int:
        """Rows of a window."""
        return self.context + self.horizon

    @cached_property
    def values(self) -> np.ndarray:
        """The series in metres, float64, shape (rows,)."""
        return read(self.series)

    @cached_property
    def train_rows(self) -> int:
        """Number of rows to train on, the first ones; the test begins behind them."""
        return round(len(self.values) * (1 - TEST))

    @cached_property
    def _offset(self) -> float:
        return float(self.values[: self.train_rows].mean())

    @cached_property
    def _scale(self) -> float:
        return float(self.values[: self.train_rows].std())

    @cached_property
    def scaled(self) -> np.ndarray:
        """The series with mean 0 and variance 1 over the training rows, float32, shape (rows,)."""
        return ((self.values - self._offset) / self._scale).astype(np.float32)

    @cached_property
    def train(self) -> np.ndarray:
        """The scaled training rows."""
        return self.scaled[: self.train_rows]

    def metres(self, scaled: np.ndarray) -> np.ndarray:
        """The inverse of the scaling, float64."""
        return scaled.astype(np.float64) * self._scale + self._offset

    @cached_property
    def starts(self) -> np.ndarray:
        """First rows of the test windows that are forecast."""
        return np.arange(self.train_rows, len(self.values) - self.length + 1, self.every)

    @cached_property
    def contexts(self) -> np.ndarray:
        """What the test windows read, scaled, float32, shape (windows, context)."""
        return self.scaled[self.starts[:, None] + np.arange(self.context)]

    def mse(self, forecast: np.ndarray) -> float:
        """Mean squared error over the test windows and all leads, in square metres.

        Args:
            forecast: Forecasts of the test windows in metres, shape (windows, horizon).

        Raises:
            ValueError: if it is not of that shape.
        """
        truth = self.values[self.starts[:, None] + np.arange(self.context, self.length)]
        if forecast.shape != truth.shape:
            raise ValueError(f"forecasts of shape {forecast.shape}; expected {truth.shape}")
        return float(np.square(forecast - truth).mean())

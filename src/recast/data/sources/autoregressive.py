"""An autoregressive process whose best forecast is known in closed form."""

from typing import final

import numpy as np

from recast.data.panel import Panel, columns_of
from recast.data.sources.frame import FrameSource
from recast.data.sources.source import Source
from recast.data.sources.table import Table
from recast.errors import ConfigurationError
from recast.options import NonNegativeInt, PositiveFloat, PositiveInt, checked


def is_stationary(phi1: float, phi2: float) -> bool:
    """Whether x_t = phi1 x_(t-1) + phi2 x_(t-2) + e_t has a stationary solution.

    It has if phi lies in the triangle phi2 > -1, phi1 + phi2 < 1, phi2 - phi1 < 1 (Box & Jenkins, "Time Series
    Analysis", section 3.2.4).
    """
    return phi2 > -1 and phi1 + phi2 < 1 and phi2 - phi1 < 1


def variance_ratio(phi1: float, phi2: float) -> float:
    """The process's variance divided by that of its innovations: (1-phi2) / ((1+phi2) (1-phi2-phi1) (1-phi2+phi1))."""
    return (1 - phi2) / ((1 + phi2) * (1 - phi2 - phi1) * (1 - phi2 + phi1))


def stationary_path(rng: np.random.Generator, rows: int, phi1: float, phi2: float, std: float) -> np.ndarray:
    """A path of the stationary Gaussian process, shape (rows,).

    The two values before the first row are drawn from their joint stationary distribution, so that no burn-in is
    needed.

    Args:
        rng: Source of the rows + 2 normal numbers.
        rows: Length of the path.
        phi1: Coefficient of lag 1.
        phi2: Coefficient of lag 2; 0 gives a first-order process.
        std: Standard deviation of the process (not of its innovations).
    """
    normal = rng.standard_normal(rows + 2)
    correlation = phi1 / (1 - phi2)
    last = std * normal[0]
    before_last = std * (correlation * normal[0] + np.sqrt(1 - correlation**2) * normal[1])
    innovations = std / np.sqrt(variance_ratio(phi1, phi2)) * normal[2:]
    past = np.array([phi1 * last + phi2 * before_last, phi2 * last])
    # Half a second to import, and not needed to forecast with a model of this source.
    from scipy.signal import lfilter

    return lfilter([1.0], [1.0, -phi1, -phi2], innovations, zi=past)[0]


STEP = "h"


@final
class AR2(Source):
    """x_t = phi1 x_(t-1) + phi2 x_(t-2) + e_t, with e_t independent normal numbers of standard deviation sigma.

    The process starts in its stationary distribution. If phi1^2 + 4 phi2 < 0 its roots are complex and it is a damped
    oscillator of period 2 pi / arccos(phi1 / (2 sqrt(-phi2))) steps, whose amplitude decays by sqrt(-phi2) each step.
    The defaults have a period of 10.7 steps and decay by 0.95. The channel is named "value" and has no unit; rows are
    hourly from 2000-01-01.

    Args:
        rows: Length of the series. [steps]
        phi1: Coefficient of lag 1.
        phi2: Coefficient of lag 2.
        sigma: Standard deviation of the innovations e_t.
        seed: Of the random numbers; equal seeds give equal series.

    Raises:
        ConfigurationError: if the process is not stationary.
    """

    @checked
    def __init__(
        self,
        *,
        rows: PositiveInt = 10_000,
        phi1: float = 1.58,
        phi2: float = -0.9025,
        sigma: PositiveFloat = 1.0,
        seed: NonNegativeInt = 0,
    ) -> None:
        if not is_stationary(phi1, phi2):
            raise ConfigurationError(
                f"AR2: phi1={phi1}, phi2={phi2} is not stationary; expected phi2 > -1, phi1 + phi2 < 1 and "
                "phi2 - phi1 < 1"
            )
        self.rows = rows
        self.phi1 = phi1
        self.phi2 = phi2
        self.sigma = sigma
        self.seed = seed

    def read(self) -> Panel:
        """A path of the process, one channel, as one piece."""
        std = self.sigma * float(np.sqrt(variance_ratio(self.phi1, self.phi2)))
        path = stationary_path(np.random.default_rng(self.seed), self.rows, self.phi1, self.phi2, std)
        hours = np.arange(self.rows) * np.timedelta64(1, "h")
        return Panel(
            times=(np.datetime64("2000-01-01", "ns") + hours).astype("datetime64[ns]"),
            values=path[:, None],
            columns=columns_of(targets=["value"]),
            step=STEP,
            starts=np.zeros(1, dtype=np.int64),
            label=f"AR2(phi1={self.phi1}, phi2={self.phi2}, seed={self.seed})",
        )

    def for_table(self, table: Table) -> Source:
        """The source that reads the columns "datetime" and "value" from a table."""
        return FrameSource(time="datetime", targets=["value"], step=STEP).for_table(table)

    def best_forecast(self, last: np.ndarray | float, before_last: np.ndarray | float, horizon: int) -> np.ndarray:
        """The forecast with minimal mean squared error: the recursion without innovations.

        Args:
            last: The value at the origin, shape (...).
            before_last: The one a step earlier, shape (...).
            horizon: Steps to forecast. [steps]

        Returns:
            Shape (..., horizon), leads 1 to horizon.
        """
        last, before_last = np.broadcast_arrays(np.asarray(last, dtype=float), np.asarray(before_last, dtype=float))
        forecast = np.empty((*last.shape, horizon))
        for lead in range(horizon):
            last, before_last = self.phi1 * last + self.phi2 * before_last, last
            forecast[..., lead] = last
        return forecast

    def forecast_error_variance(self, horizon: int) -> np.ndarray:
        """Mean squared error of the best forecast at leads 1 to horizon: sigma^2 (psi_0^2 + ... + psi_(h-1)^2).

        psi_0 = 1, psi_1 = phi1, psi_j = phi1 psi_(j-1) + phi2 psi_(j-2) are the weights of past innovations
        (Box & Jenkins, "Time Series Analysis", section 5.1).

        Args:
            horizon: Steps to forecast. [steps]

        Returns:
            Shape (horizon,).
        """
        psi = np.concatenate([np.ones(1), self.best_forecast(1.0, 0.0, horizon - 1)])
        return self.sigma**2 * np.cumsum(psi**2)

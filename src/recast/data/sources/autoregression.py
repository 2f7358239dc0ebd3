"""Stationary autoregressive processes of second order, drawn exactly."""

import numpy as np
from scipy.signal import lfilter


def is_stationary(phi1: float, phi2: float) -> bool:
    """Whether x_t = phi1 x_(t-1) + phi2 x_(t-2) + e_t has a stationary solution.

    It has where phi lies in the triangle phi2 > -1, phi1 + phi2 < 1, phi2 - phi1 < 1 (Box & Jenkins, "Time Series
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
        rng: Where the rows + 2 normal numbers come from.
        rows: Length of the path.
        phi1: Weight of the last value.
        phi2: Weight of the one before; 0 gives a process of first order.
        std: Standard deviation of the process (not of its innovations).
    """
    normal = rng.standard_normal(rows + 2)
    correlation = phi1 / (1 - phi2)
    last = std * normal[0]
    before_last = std * (correlation * normal[0] + np.sqrt(1 - correlation**2) * normal[1])
    innovations = std / np.sqrt(variance_ratio(phi1, phi2)) * normal[2:]
    past = np.array([phi1 * last + phi2 * before_last, phi2 * last])
    return lfilter([1.0], [1.0, -phi1, -phi2], innovations, zi=past)[0]

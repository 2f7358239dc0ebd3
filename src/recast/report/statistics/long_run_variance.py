"""The variance of the mean of an autocorrelated series."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

Kernel = Literal["rectangular", "Bartlett"]


@dataclass(frozen=True)
class LongRunVariance:
    """Sum of a series' autocovariances, and how it was estimated.

    Args:
        value: n times the variance of the mean; positive.
        kernel: "rectangular", or "Bartlett" where the rectangular estimate was not positive.
    """

    value: float
    kernel: Kernel


def autocovariances(series: np.ndarray, lags: int) -> np.ndarray:
    """Autocovariances at lags 0 to `lags`, each the sum of products about the mean divided by n, as in R's `acf`."""
    centred = series - series.mean()
    n = len(series)
    return np.array([centred[lag:] @ centred[: n - lag] for lag in range(lags + 1)]) / n


def long_run_variance(series: np.ndarray, lags: int) -> LongRunVariance:
    """Long-run variance of a series whose autocovariances vanish beyond `lags`.

    gamma_0 + 2 (gamma_1 + ... + gamma_lags), every lag with weight 1 (Diebold & Mariano 1995, for optimal forecasts h
    steps ahead: lags = h - 1). That sum can be 0 or negative; then lag j gets the weight
    1 - j / (lags + 1) (Newey & West 1987, Econometrica 55), which keeps it positive, but too small: see
    `diebold_mariano`.

    Args:
        series: At least lags + 1 values, not all equal, shape (n,).
        lags: Number of autocovariances used.
    """
    gamma = autocovariances(series, lags)
    plain = gamma[0] + 2 * gamma[1:].sum()
    # Exactly 0 for lags = n - 1, up to rounding.
    if plain > 1e-10 * gamma[0]:
        return LongRunVariance(float(plain), "rectangular")
    weights = 1 - np.arange(1, lags + 1) / (lags + 1)
    return LongRunVariance(float(gamma[0] + 2 * weights @ gamma[1:]), "Bartlett")

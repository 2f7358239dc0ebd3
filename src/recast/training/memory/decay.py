"""How fast a gradient decays into the past."""

import numpy as np


def decay_rate(norms: np.ndarray, before: np.ndarray) -> float:
    """Least-squares slope of the logarithm of `norms`: negative for a decay.

    Where |dL/ds_t| = |dL/ds_T| rho^(T-t), this is log(rho). Norms of zero are left out.

    Args:
        norms: Gradient norms, shape (time,).
        before: Distance of each before the origin, shape (time,). [steps]

    Returns:
        Natural logarithm per step; NaN with fewer than two norms above zero.
    """
    above = np.isfinite(norms) & (norms > 0)
    if above.sum() < 2:
        return float("nan")
    return float(np.polyfit(before[above], np.log(norms[above]), 1)[0])


def time_constant(rate: float) -> float:
    """Steps into the past after which a gradient has fallen to 1/e: -1 / rate; infinite if it does not decay."""
    if np.isnan(rate):
        return rate
    return -1 / rate if rate < 0 else float("inf")

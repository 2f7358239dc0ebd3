"""The bootstrap interval of a mean, or of a difference of two means."""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import stats

RESAMPLES = 9999
SEED = 0  # the same data give the same interval
FEW = 20


@dataclass(frozen=True)
class Interval:
    """An interval that should hold the true value with probability `level`.

    Args:
        low: Lower end.
        high: Upper end.
        level: Nominal probability.
        method: "BCa", "percentile" (where BCa is not defined), or "none" (all values equal: the interval is a point).
    """

    low: float
    high: float
    level: float
    method: str


def mean_interval(*samples: np.ndarray, level: float) -> Interval:
    """Bootstrap interval of the mean of one sample, or of mean(first) - mean(second) of two independent ones.

    Bias-corrected and accelerated (BCa) from 9,999 resamples with a fixed seed (Efron 1987, "Better bootstrap
    confidence intervals", JASA 82; `scipy.stats.bootstrap`); where that is undefined, the percentile interval.

    Bootstrap intervals of few values are too narrow. Measured on normal data, 1,500 samples of n values (so +- 1 %),
    the 95 % BCa interval of the mean holds the true mean in:

        n         3     5     7     10    20    30
        covers  72 %  83 %  87 %  90 %  92 %  93 %

    Args:
        samples: One or two samples.
        level: Nominal probability, between 0 and 1.
    """
    if all(np.ptp(sample) == 0 for sample in samples):
        value = _difference(*samples)
        return Interval(float(value), float(value), level, "none")
    for method in ("BCa", "percentile"):
        with warnings.catch_warnings():
            # Degenerate resamples: seen below as NaN, and answered by the other method.
            warnings.simplefilter("ignore", stats.DegenerateDataWarning)
            warnings.simplefilter("ignore", RuntimeWarning)
            found = stats.bootstrap(
                samples,
                _difference,
                n_resamples=RESAMPLES,
                batch=max(1, 2_000_000 // max(map(len, samples))),
                vectorized=True,
                confidence_level=level,
                method=method,
                rng=np.random.default_rng(SEED),
            ).confidence_interval
        if np.isfinite([found.low, found.high]).all():
            return Interval(float(found.low), float(found.high), level, method)
    raise AssertionError("the percentile interval of finite values is finite")  # pragma: no cover


def _difference(*samples: np.ndarray, axis: int = -1) -> np.ndarray | np.float64:
    means = [sample.mean(axis=axis) for sample in samples]
    return means[0] if len(means) == 1 else means[0] - means[1]

"""The Diebold-Mariano test: are two forecasts equally good, over the origins of one test split?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from recast.errors import ConfigurationError, DataError
from recast.report.statistics.long_run_variance import Kernel, autocovariances, long_run_variance
from recast.report.statistics.samples import ROUNDING, check_level, pairs
from recast.report.statistics.wording import NO_DIFFERENCE, count, number, order, p_value

LEAST_RATIO = 10
GOOD_RATIO = 20
REMAINING_SIGMAS = 2.326  # one-sided 1 %


@dataclass(frozen=True)
class DieboldMariano:
    """The result of a Diebold-Mariano test. Build it with `diebold_mariano`.

    Args:
        names: The two forecasts.
        n: Number of origins.
        lags: Number of autocovariances in the variance.
        mean_difference: Mean of loss_a - loss_b: negative where the first is better. [of the loss]
        standard_error: Of the mean difference, lag-corrected and corrected for n; None if it cannot be computed. [of
            the loss]
        interval: Interval of the mean difference at level 1 - alpha, from Student's t; None where it cannot be
            computed. [of the loss]
        statistic: The corrected statistic; None if it cannot be computed.
        p_value: Two-sided; None if it cannot be computed.
        kernel: "rectangular", or "Bartlett" where the rectangular variance was not positive.
        remaining: Autocorrelation of the loss differential at the first lag beyond `lags`; None where there is none.
        remaining_limit: What `remaining` exceeds by chance in 1 % of series without correlation beyond `lags`.
        alpha: Level of the test.
    """

    names: tuple[str, str]
    n: int
    lags: int
    mean_difference: float
    standard_error: float | None
    interval: tuple[float, float] | None
    statistic: float | None
    p_value: float | None
    kernel: Kernel
    remaining: float | None
    remaining_limit: float
    alpha: float

    @property
    def needed(self) -> int:
        """Smallest number of origins for a verdict with that many lags: 10 (lags + 1)."""
        return LEAST_RATIO * (self.lags + 1)

    @property
    def enough(self) -> bool:
        """Whether a verdict is possible: enough origins, and a positive variance with all lags at full weight."""
        return self.n >= self.needed and self.kernel == "rectangular"

    @property
    def overlap_explains(self) -> bool:
        """Whether the differential's correlation ends within `lags`; if not, p is too small."""
        return self.remaining is None or self.remaining <= self.remaining_limit

    @property
    def significant(self) -> bool:
        """Whether a difference is shown at level alpha: enough origins, correlation covered, p <= alpha."""
        return self.enough and self.overlap_explains and self.p_value is not None and self.p_value <= self.alpha

    @property
    def conclusion(self) -> str:
        """The conclusion of the test, in words."""
        a, b = self.names
        found = f"{a} against {b} over {count(self.n, 'origin')}"
        if self.n < self.needed:
            return (
                f"{found}: nothing can be said; with losses correlated over {count(self.lags, 'lag')} at least "
                f"{self.needed} origins are needed, since with fewer the test rejects too often when nothing differs"
            )
        numbers = f"mean difference {number(self.mean_difference)}"
        if self.p_value is not None:
            numbers += f", {p_value(self.p_value)}"
        if self.kernel == "Bartlett":
            return (
                f"{found}: nothing can be said; the variance with {count(self.lags, 'lag')} at full weight is not "
                f"positive, and with Bartlett weights ({numbers}) the test rejects far too often when nothing differs"
            )
        if self.p_value is None or self.p_value > self.alpha:
            return f"{found}: {NO_DIFFERENCE} ({numbers})"
        if not self.overlap_explains:
            return (
                f"{found}: nothing can be said; the losses' difference is still correlated "
                f"({number(self.remaining or 0)}) beyond the {count(self.lags, 'lag')} counted, so the true p is "
                f"larger than it looks ({numbers}): count more lags, or take origins further apart"
            )
        better, worse = order(self.names, self.mean_difference)
        text = f"{better} is better than {worse} over {count(self.n, 'origin')} ({numbers})"
        if self.lags and self.n < GOOD_RATIO * (self.lags + 1):
            text += (
                f"; with only {number(self.n / (self.lags + 1))} times lags + 1 origins, a test at level 0.05 finds "
                "such a difference where there is none in up to 10 % of cases"
            )
        return text


def overlap_lags(horizon: int, stride: int = 1) -> int:
    """The number of later origins whose forecasts overlap with this one's: ceil(horizon / stride) - 1.

    The autocovariances of the loss that the overlap alone explains, for origins `stride` steps apart.

    Args:
        horizon: Steps that are forecast. [steps]
        stride: Distance between origins. [steps]

    Raises:
        ConfigurationError: if either is below 1.
    """
    if horizon < 1 or stride < 1:
        raise ConfigurationError(f"horizon={horizon}, stride={stride}: both are at least 1 step")
    return math.ceil(horizon / stride) - 1


def diebold_mariano(
    loss_a: Sequence[float] | np.ndarray,
    loss_b: Sequence[float] | np.ndarray,
    lags: int,
    *,
    names: tuple[str, str] = ("a", "b"),
    alpha: float = 0.05,
) -> DieboldMariano:
    """Tests whether two forecasts have the same expected loss, from losses at the same origins in chronological order.

    With d_t = loss_a - loss_b, its mean m over n origins, its autocovariances gamma_j and h = lags + 1:

        V  = (gamma_0 + 2 (gamma_1 + ... + gamma_lags)) / n          Diebold & Mariano (1995), JBES 13, S1
        DM = m / sqrt(V) * sqrt((n + 1 - 2 h + h (h - 1) / n) / n)   Harvey, Leybourne & Newbold (1997), IJF 13, eq. 9

    compared with Student's t of n - 1 degrees of freedom, two-sided. It equals `forecast::dm.test` of R (8.20); if V is
    not positive, R's falls back to lags = 0, this one to Bartlett weights, and reports it.

    **Rule.** With fewer than 10 (lags + 1) origins, or if V is not positive, the test is inconclusive. The correction
    of Harvey et al. is for small n and short horizons; this rule comes from simulation. Share of rejections at 5 %
    where both forecasts are equally good, d a moving sum of lags + 1 independent normal values, 1,300 to 4,000 series
    for each number (so +- 1 %):

        n / (lags + 1)      2     3     5     10    20    30
        lags = 1          13 %  11 %   9 %   6 %   6 %   5 %
        lags = 4          22 %  16 %  12 %   9 %   7 %   6 %
        lags = 9          25 %  20 %  14 %   9 %   6 %   7 %
        lags = 29         27 %  22 %  16 %  10 %   7 %   6 %
        lags = 99         28 %  23 %  15 %  10 %   6 %   7 %

    (the same to 1 % for differences of squared errors averaged over the horizon). So at a ratio of 10 the test rejects
    up to twice as often as its nominal level, at 20 hardly more often. Where V was not positive (14 % of series at
    ratio 2, 0.1 % at 8, hardly any at 10) the Bartlett weights rejected in 40 % of cases. Bartlett weights with the
    same lags throughout would give 13 % at ratio 10 and still 12 % at 30.

    The lags of the overlap (`overlap_lags`) suffice only if nothing else correlates the losses: a storm of three days
    degrades all forecasts during it. If the autocorrelation of d at lag lags + 1 exceeds 2.33 of its standard errors
    (Bartlett's formula for a moving average, Brockwell & Davis 1991, section 7.2), the result claims no difference and
    asks for more lags.

    Args:
        loss_a: Loss of the first forecast at each origin, shape (n,); per origin, for example averaged over leads.
        loss_b: Loss of the second at the same origins, shape (n,).
        lags: Number of autocovariances: horizon - 1 for origins at every step, else `overlap_lags`. [origins]
        names: Names of the two, for the conclusion.
        alpha: Level of the test, and 1 - level of the interval.

    Raises:
        DataError: if lengths differ, a value is not finite, there are fewer than 2 origins, or the difference is the
            same at every origin (no variance).
        ConfigurationError: if `lags` is negative or `alpha` is not between 0 and 1.
    """
    check_level(alpha)
    if lags < 0:
        raise ConfigurationError(f"lags={lags}: the number of lags is not negative")
    a, b = pairs(loss_a, loss_b, (f"loss of {names[0]}", f"loss of {names[1]}"), least=2)
    d = a - b
    if np.ptp(d) <= ROUNDING * max(np.abs(a).max(), np.abs(b).max()):
        raise DataError(
            f"the losses of {names[0]} and {names[1]} differ by {number(float(d[0]))} at each of {len(d)} origins: "
            "without variance there is nothing to test; are they the same forecast?"
        )
    n, h = len(d), lags + 1
    variance = long_run_variance(d, min(lags, n - 1))
    correction = (n + 1 - 2 * h + h * (h - 1) / n) / n
    mean = float(d.mean())
    error = statistic = p = interval = None
    if h < n:  # at h = n the correction is 0; beyond, there are no such autocovariances
        error = math.sqrt(variance.value / n / correction)
        statistic = mean / error
        p = float(2 * stats.t.sf(abs(statistic), n - 1))
        width = float(stats.t.isf(alpha / 2, n - 1)) * error
        interval = (mean - width, mean + width)
    remaining, limit = _remaining(d, lags)
    return DieboldMariano(
        names=names,
        n=n,
        lags=lags,
        mean_difference=mean,
        standard_error=error,
        interval=interval,
        statistic=statistic,
        p_value=p,
        kernel=variance.kernel,
        remaining=remaining,
        remaining_limit=limit,
        alpha=alpha,
    )


def _remaining(d: np.ndarray, lags: int) -> tuple[float | None, float]:
    """Autocorrelation at lag lags + 1, and its limit for a moving average of order lags."""
    if len(d) <= lags + 1:
        return None, math.inf
    gamma = autocovariances(d, lags + 1)
    correlations = gamma[1:] / gamma[0]
    limit = REMAINING_SIGMAS * math.sqrt((1 + 2 * (correlations[:-1] ** 2).sum()) / len(d))
    return float(correlations[-1]), limit

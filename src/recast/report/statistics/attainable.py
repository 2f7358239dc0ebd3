"""The smallest attainable p-value of a small sample, and the sample size needed for a level.

A rank test on n observations has finitely many outcomes; if the most extreme one is not rare enough under the null
hypothesis, the test cannot reject, whatever the data. Closed forms: Hollander, Wolfe & Chicken (2014), Nonparametric
Statistical Methods, sections 3.1 (signed ranks), 4.1 (rank sum), 7.1 (Friedman).
"""

import math

from recast.errors import ConfigurationError
from recast.report.statistics.samples import check_level


def smallest_paired_p(n: int) -> float:
    """Smallest two-sided p of the signed-rank test on `n` non-zero differences: 2 / 2^n, all of one sign."""
    return min(1.0, 2.0 ** (1 - n))


def pairs_needed(alpha: float = 0.05, comparisons: int = 1) -> int:
    """Smallest number of pairs with which one of `comparisons` signed-rank tests can reject after Holm's correction.

    The first step of Holm (and Bonferroni) asks for p <= alpha / comparisons: 6 pairs for one comparison at 0.05,
    10 for ten.

    Args:
        alpha: Level of the whole family.
        comparisons: Size of the family.

    Raises:
        ConfigurationError: if `alpha` is not between 0 and 1, or `comparisons` is below 1.
    """
    level = _step(alpha, comparisons)
    n = 1
    while smallest_paired_p(n) > level:
        n += 1
    return n


def smallest_unpaired_p(n: int, m: int) -> float:
    """Smallest two-sided p of the rank-sum test on `n` and `m` observations: 2 / C(n + m, n), no overlap."""
    return min(1.0, 2 / math.comb(n + m, n))


def seeds_needed(alpha: float = 0.05, comparisons: int = 1) -> int:
    """Smallest size of both samples with which one of `comparisons` rank-sum tests can reject after Holm's correction.

    4 and 4 for one comparison at 0.05.

    Args:
        alpha: Level of the whole family.
        comparisons: Size of the family.

    Raises:
        ConfigurationError: if `alpha` is not between 0 and 1, or `comparisons` is below 1.
    """
    level = _step(alpha, comparisons)
    n = 1
    while smallest_unpaired_p(n, n) > level:
        n += 1
    return n


def smallest_friedman_p(blocks: int, models: int) -> float:
    """Smallest exact p of Friedman's test: all blocks agree, (k!)^(1 - n) for n blocks and k models."""
    return math.exp((1 - blocks) * math.lgamma(models + 1))


def _step(alpha: float, comparisons: int) -> float:
    check_level(alpha)
    if comparisons < 1:
        raise ConfigurationError(f"comparisons={comparisons}: a family has at least one comparison")
    return alpha / comparisons

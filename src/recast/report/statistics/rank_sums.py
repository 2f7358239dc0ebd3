"""The p-value of the rank-sum test, exact for small samples even with ties."""

import math
from itertools import combinations

import numpy as np
from scipy import stats

MOST_EXACT = 2500  # product of the sizes
MOST_LISTED = 20_000  # ways to choose the first sample out of all values


def rank_sum_p(a: np.ndarray, b: np.ndarray) -> float:
    """Two-sided p of the Mann-Whitney U test (Mann & Whitney 1947, Annals of Mathematical Statistics 18).

    Exact by `scipy.stats.mannwhitneyu` without ties, up to sizes whose product is 2,500. With ties, exact by listing
    all ways to choose the first sample, up to 20,000 of them: twice the share on the smaller side of the rank sum.
    Otherwise from the normal approximation with tie and continuity correction.

    Args:
        a: First sample, shape (n,).
        b: Second sample, shape (m,).
    """
    together = np.concatenate([a, b])
    tied = len(np.unique(together)) < len(together)
    if tied and math.comb(len(together), len(a)) <= MOST_LISTED:
        return exact_with_ties(stats.rankdata(together), len(a))
    exact = not tied and len(a) * len(b) <= MOST_EXACT
    return float(stats.mannwhitneyu(a, b, method="exact" if exact else "asymptotic").pvalue)


def exact_with_ties(ranks: np.ndarray, size: int) -> float:
    """The exact two-sided p-value, by listing all ways to choose the first sample; ranks may be tied.

    Args:
        ranks: Ranks of both samples, the first sample's before the second's.
        size: Size of the first sample.
    """
    sums = np.array([sum(chosen) for chosen in combinations(ranks.tolist(), size)])
    found = ranks[:size].sum()
    return min(1.0, 2 * float(min((sums <= found + 1e-9).mean(), (sums >= found - 1e-9).mean())))

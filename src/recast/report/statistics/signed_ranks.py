"""The p-value of Wilcoxon's signed-rank test, exact for small samples even with tied absolute differences."""

from typing import Any, Literal

import numpy as np
from scipy import stats

MOST_EXACT = 50


def signed_rank_p(differences: np.ndarray) -> float:
    """Two-sided p of the signed-rank test (Wilcoxon 1945, Biometrics Bulletin 1).

    Zeros are dropped before ranking, as Wilcoxon did; with nothing left p is 1. Up to 50 differences the p-value is
    exact (`scipy.stats.wilcoxon`; where absolute differences are tied, by convolution over their mean ranks); beyond,
    it is from the normal approximation with tie correction.

    Args:
        differences: Shape (n,).
    """
    kept = differences[differences != 0]
    if not len(kept):
        return 1.0
    sizes = np.abs(kept)
    if len(kept) > MOST_EXACT:
        return _p(kept, "auto")
    if len(np.unique(sizes)) == len(sizes):
        return _p(kept, "exact")
    return _exact_with_ties(kept)


def rank_correlation(differences: np.ndarray) -> float:
    """Sum of the positive ranks minus that of the negative ones, by their total; zeros dropped, 0 with nothing left.

    The matched-pairs rank-biserial correlation (Kerby 2014, "The simple difference formula", Comprehensive Psychology
    3): an effect size between -1 and 1 whose sign is the direction tested by the signed-rank test.

    Args:
        differences: Shape (n,).
    """
    kept = differences[differences != 0]
    ranks = stats.rankdata(np.abs(kept))
    return float(np.sign(kept) @ ranks / ranks.sum()) if len(kept) else 0.0


def _p(differences: np.ndarray, method: Literal["exact", "auto"]) -> float:
    result: Any = stats.wilcoxon(differences, zero_method="wilcox", method=method)
    return float(result.pvalue)


def _exact_with_ties(differences: np.ndarray) -> float:
    ranks = np.rint(2 * stats.rankdata(np.abs(differences))).astype(np.int64)  # mean ranks are whole or half
    share = np.ones(1)  # of the 2^n choices of signs, for each sum of positive ranks
    for rank in ranks:
        longer = np.zeros(len(share) + rank)
        longer[: len(share)] += share / 2
        longer[rank:] += share / 2
        share = longer
    above = ranks[differences > 0].sum()
    smaller_side = min(above, ranks.sum() - above)
    return min(1.0, float(2 * share[: smaller_side + 1].sum()))

"""Two paired samples: the same seeds, or the same blocks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recast.report.statistics.attainable import pairs_needed, smallest_paired_p
from recast.report.statistics.interval import FEW, Interval, mean_interval
from recast.report.statistics.samples import check_level, differences, pairs
from recast.report.statistics.signed_ranks import rank_correlation, signed_rank_p
from recast.report.statistics.wording import NO_DIFFERENCE, count, number, order, p_value, percent


@dataclass(frozen=True)
class PairedComparison:
    """The result of a paired comparison. Build it with `paired_comparison`.

    Args:
        names: The two that are compared.
        n: Number of pairs.
        zeros: How many pairs are equal; the signed-rank test drops them.
        mean_difference: Mean of a - b. [of the values]
        median_difference: Median of a - b. [of the values]
        interval: Bootstrap interval of the mean difference. [of the values]
        p_value: Two-sided p of the signed-rank test.
        smallest_p: The smallest p that this many unequal pairs can give.
        rank_correlation: Positive minus negative ranks of a - b, by their sum: -1 if all differences are negative, 1 if
            all are positive; 0 if all pairs are equal.
        share_won: Share of pairs in which a is better; ties count one half.
        comparisons: Size of the family that this comparison belongs to.
        alpha: Level of the whole family.
        smaller_is_better: Whether the values are errors.
    """

    names: tuple[str, str]
    n: int
    zeros: int
    mean_difference: float
    median_difference: float
    interval: Interval
    p_value: float
    smallest_p: float
    rank_correlation: float
    share_won: float
    comparisons: int
    alpha: float
    smaller_is_better: bool

    @property
    def needed(self) -> int:
        """Smallest number of unequal pairs with which this test, in its family, can reject."""
        return pairs_needed(self.alpha, self.comparisons)

    @property
    def enough(self) -> bool:
        """Whether this many unequal pairs can show a difference at this level, in its family."""
        return self.n - self.zeros >= self.needed

    @property
    def significant(self) -> bool:
        """Whether p <= alpha / comparisons. Holm's procedure (`holm`) can reject more in a family."""
        return self.enough and self.p_value <= self.alpha / self.comparisons

    @property
    def conclusion(self) -> str:
        """The conclusion of the comparison, in words."""
        a, b = self.names
        found = f"{a} against {b} over {count(self.n, 'pair')}"
        numbers = (
            f"mean difference {number(self.mean_difference)}, {percent(self.interval.level)} interval "
            f"{number(self.interval.low)} to {number(self.interval.high)}, {p_value(self.p_value)}, "
            f"{a} better in {percent(self.share_won)} of pairs"
        )
        if self.n == self.zeros:
            return f"{found}: all pairs are equal"
        if not self.enough:
            family = f" for one of {self.comparisons} comparisons" if self.comparisons > 1 else ""
            equal = f" ({self.zeros} of them equal)" if self.zeros else ""
            return (
                f"{found}{equal}: nothing can be said at level {number(self.alpha)}{family}; the smallest p that they "
                f"can give is {number(self.smallest_p)}, and {self.needed} unequal pairs would be needed ({numbers})"
            )
        caution = "; an interval from so few pairs is too narrow" if self.n < FEW else ""
        if not self.significant:
            return f"{found}: {NO_DIFFERENCE} ({numbers}{caution})"
        # By the ranks that were tested, not by the mean, which one outlier can turn.
        sign = 1 if self.smaller_is_better else -1
        first, second = order(self.names, sign * self.rank_correlation)
        return f"{first} is better than {second} over {count(self.n, 'pair')} ({numbers}{caution})"


def paired_comparison(
    a: Sequence[float] | np.ndarray,
    b: Sequence[float] | np.ndarray,
    *,
    names: tuple[str, str] = ("a", "b"),
    alpha: float = 0.05,
    comparisons: int = 1,
    smaller_is_better: bool = True,
) -> PairedComparison:
    """Compares two samples that are paired, for example the test errors of two models with the same seeds.

    Wilcoxon's signed-rank test (exact up to 50 pairs, zeros dropped), and the bootstrap interval of the mean difference
    (BCa over pairs). The test's null hypothesis is that the differences are symmetric about 0; over seeds it
    generalises to retraining on the same data, not to other data.

    Args:
        a: Values of the first, shape (n,).
        b: Values of the second for the same seeds or blocks, in the same order, shape (n,).
        names: Names of the two, for the conclusion.
        alpha: Level of the test (of the whole family), and 1 - level of the interval.
        comparisons: Size of the family of comparisons that this one belongs to; decides `enough` and `needed`.
        smaller_is_better: True for errors, False for scores such as accuracy.

    Raises:
        DataError: if lengths differ, there are no pairs, or a value is not finite.
        ConfigurationError: if `alpha` is not between 0 and 1, or `comparisons` is below 1.
    """
    check_level(alpha)
    first, second = pairs(a, b, names)
    pairs_needed(alpha, comparisons)  # rejects an invalid family
    gaps = differences(first, second)
    zeros = int((gaps == 0).sum())
    wins = int((gaps < 0).sum() if smaller_is_better else (gaps > 0).sum())
    return PairedComparison(
        names=names,
        n=len(gaps),
        zeros=zeros,
        mean_difference=float(gaps.mean()),
        median_difference=float(np.median(gaps)),
        interval=mean_interval(gaps, level=1 - alpha),
        p_value=signed_rank_p(gaps),
        smallest_p=smallest_paired_p(len(gaps) - zeros),
        rank_correlation=rank_correlation(gaps),
        share_won=(wins + zeros / 2) / len(gaps),
        comparisons=comparisons,
        alpha=alpha,
        smaller_is_better=smaller_is_better,
    )

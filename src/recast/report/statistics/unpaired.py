"""Two independent samples: different seeds, or different numbers of seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recast.report.statistics.attainable import seeds_needed, smallest_unpaired_p
from recast.report.statistics.interval import FEW, Interval, mean_interval
from recast.report.statistics.rank_sums import rank_sum_p
from recast.report.statistics.samples import check_level, sample
from recast.report.statistics.wording import NO_DIFFERENCE, number, order, p_value, percent


@dataclass(frozen=True)
class UnpairedComparison:
    """The result of a comparison of independent samples. Build it with `unpaired_comparison`.

    Args:
        names: The two that are compared.
        sizes: Number of values of each.
        mean_difference: Mean of a minus mean of b. [of the values]
        median_difference: Median of a minus median of b. [of the values]
        interval: Bootstrap interval of the difference of means. [of the values]
        p_value: Two-sided p of the rank-sum test.
        smallest_p: The smallest p that samples of these sizes can give.
        share_won: How often a value of a is better than one of b, over all pairs; ties count one half.
        comparisons: Size of the family that this comparison belongs to.
        alpha: Level of the whole family.
        smaller_is_better: Whether the values are errors.
    """

    names: tuple[str, str]
    sizes: tuple[int, int]
    mean_difference: float
    median_difference: float
    interval: Interval
    p_value: float
    smallest_p: float
    share_won: float
    comparisons: int
    alpha: float
    smaller_is_better: bool

    @property
    def needed(self) -> int:
        """Smallest size of both samples with which this test, in its family, can reject."""
        return seeds_needed(self.alpha, self.comparisons)

    @property
    def enough(self) -> bool:
        """Whether samples of these sizes can show a difference at this level, in its family."""
        return self.smallest_p <= self.alpha / self.comparisons

    @property
    def significant(self) -> bool:
        """Whether p <= alpha / comparisons. Holm's procedure (`holm`) can reject more in a family."""
        return self.p_value <= self.alpha / self.comparisons

    @property
    def conclusion(self) -> str:
        """The conclusion of the comparison, in words."""
        (a, b), (n, m) = self.names, self.sizes
        found = f"{a} ({n} values) against {b} ({m})"
        numbers = (
            f"difference of means {number(self.mean_difference)}, {percent(self.interval.level)} interval "
            f"{number(self.interval.low)} to {number(self.interval.high)}, {p_value(self.p_value)}, "
            f"{a} better in {percent(self.share_won)} of all pairings"
        )
        if not self.enough:
            family = f" for one of {self.comparisons} comparisons" if self.comparisons > 1 else ""
            return (
                f"{found}: nothing can be said at level {number(self.alpha)}{family}; the smallest p that they can "
                f"give is {number(self.smallest_p)}, and {self.needed} values of each would be needed ({numbers})"
            )
        caution = "; an interval from so few values is too narrow" if min(n, m) < FEW else ""
        if not self.significant:
            return f"{found}: {NO_DIFFERENCE} ({numbers}{caution})"
        first, second = order(self.names, 0.5 - self.share_won)
        return f"{found}: {first} is better than {second} ({numbers}{caution})"


def unpaired_comparison(
    a: Sequence[float] | np.ndarray,
    b: Sequence[float] | np.ndarray,
    *,
    names: tuple[str, str] = ("a", "b"),
    alpha: float = 0.05,
    comparisons: int = 1,
    smaller_is_better: bool = True,
) -> UnpairedComparison:
    """Compares two independent samples, for example test errors over different seeds.

    The Mann-Whitney rank-sum test (exact for small samples), and the bootstrap interval of the difference of means.
    With shared seeds, `paired_comparison` has more power.

    Args:
        a: Values of the first, shape (n,).
        b: Values of the second, shape (m,).
        names: Names of the two, for the conclusion.
        alpha: Level of the test (of the whole family), and 1 - level of the interval.
        comparisons: Size of the family of comparisons that this one belongs to; decides `enough` and `needed`.
        smaller_is_better: True for errors, False for scores such as accuracy.

    Raises:
        DataError: if a sample is shorter than 2, or a value is not finite.
        ConfigurationError: if `alpha` is not between 0 and 1, or `comparisons` is below 1.
    """
    check_level(alpha)
    first, second = sample(a, names[0], least=2), sample(b, names[1], least=2)
    seeds_needed(alpha, comparisons)  # rejects an invalid family
    signs = np.sign(first[:, None] - second[None, :])
    wins = float((signs < 0).mean() if smaller_is_better else (signs > 0).mean())
    return UnpairedComparison(
        names=names,
        sizes=(len(first), len(second)),
        mean_difference=float(first.mean() - second.mean()),
        median_difference=float(np.median(first) - np.median(second)),
        interval=mean_interval(first, second, level=1 - alpha),
        p_value=rank_sum_p(first, second),
        smallest_p=smallest_unpaired_p(len(first), len(second)),
        share_won=wins + float((signs == 0).mean()) / 2,
        comparisons=comparisons,
        alpha=alpha,
        smaller_is_better=smaller_is_better,
    )

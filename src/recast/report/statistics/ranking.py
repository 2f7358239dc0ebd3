"""Many models over many blocks: Friedman's test and Nemenyi's critical difference."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from recast.errors import DataError
from recast.report.statistics.attainable import smallest_friedman_p
from recast.report.statistics.samples import check_level
from recast.report.statistics.wording import NO_DIFFERENCE, count, number, p_value


@dataclass(frozen=True)
class Ranking:
    """How models rank over blocks. Build it with `friedman_nemenyi`.

    Args:
        models: Names, in the order given.
        average_ranks: Average rank of each; 1 is best.
        blocks: Complete blocks that were ranked.
        dropped: Blocks left out because a score was missing.
        chi2: Friedman's statistic, corrected for ties.
        chi2_p_value: Its p from chi-squared of k - 1 degrees of freedom.
        f: Iman and Davenport's statistic; infinite if all blocks agree.
        p_value: Its p from F of k - 1 and (k - 1)(n - 1) degrees of freedom, not below `smallest_p`. The conclusion
            uses this one.
        smallest_p: The smallest exact p that this many blocks can give.
        critical_difference: Difference of average ranks from which two models differ at level alpha.
        alpha: Level of the test and of the family of all pairs.
    """

    models: tuple[str, ...]
    average_ranks: tuple[float, ...]
    blocks: int
    dropped: int
    chi2: float
    chi2_p_value: float
    f: float
    p_value: float
    smallest_p: float
    critical_difference: float
    alpha: float

    @property
    def needed(self) -> int:
        """Smallest number of blocks with which both Friedman's and Nemenyi's test can reject."""
        return blocks_needed(len(self.models), self.alpha)

    @property
    def enough(self) -> bool:
        """Whether this many blocks can show a difference at this level."""
        return self.blocks >= self.needed

    @property
    def significant(self) -> bool:
        """Whether the models are shown to differ."""
        return self.enough and self.p_value <= self.alpha

    @property
    def order(self) -> tuple[str, ...]:
        """Names, the best average rank first."""
        return tuple(self.models[index] for index in self._sorted())

    @property
    def cliques(self) -> tuple[tuple[str, ...], ...]:
        """Maximal groups of models not shown to differ, the best first, with at least two members each.

        Neighbours in rank whose first and last differ by less than the critical difference. If Friedman's test does not
        or cannot reject, no pair is tested and all models form one group.
        """
        order = self._sorted()
        if not self.significant:
            return (self.order,)
        ranks = [self.average_ranks[index] for index in order]
        groups: list[tuple[str, ...]] = []
        reached = 0
        for first in range(len(order)):
            end = first + 1
            while end < len(order) and ranks[end] - ranks[first] < self.critical_difference:
                end += 1
            if end - first > 1 and end > reached:
                groups.append(tuple(self.models[index] for index in order[first:end]))
                reached = end
        return tuple(groups)

    @property
    def conclusion(self) -> str:
        """The conclusion of the ranking, in words."""
        missing = f" ({count(self.dropped, 'block')} with missing scores left out)" if self.dropped else ""
        found = f"{len(self.models)} models over {count(self.blocks, 'block')}{missing}"
        if not self.enough:
            level = f"at level {number(self.alpha)}"
            return f"{found}: nothing can be said {level}; at least {self.needed} blocks would be needed"
        if not self.significant:
            return f"{found}: {NO_DIFFERENCE} (Friedman, {p_value(self.p_value)})"
        best, *others = self.order
        ranks = dict(zip(self.models, self.average_ranks, strict=True))
        beaten = [name for name in others if ranks[name] - ranks[best] >= self.critical_difference]
        text = f"{found}: they are not all alike (Friedman, {p_value(self.p_value)})"
        if not beaten:
            return f"{text}, but the best, '{best}', is not shown to differ from any other"
        return f"{text}; '{best}' ranks best, by the critical difference or more better than {_listed(beaten, others)}"

    def _sorted(self) -> list[int]:
        return sorted(range(len(self.models)), key=lambda index: self.average_ranks[index])


def _listed(names: Sequence[str], others: Sequence[str]) -> str:
    if len(names) == len(others) > 1:
        return "all others"
    return ", ".join(f"'{name}'" for name in names) if len(names) <= 3 else f"{len(names)} of {len(others)} others"


def nemenyi_difference(models: int, blocks: int, alpha: float = 0.05) -> float:
    """Critical difference of average ranks, q sqrt(k (k + 1) / (6 n)).

    q is the upper quantile of the studentised range of k values with infinite degrees of freedom, divided by sqrt(2)
    (Nemenyi 1963; Demsar 2006, "Statistical comparisons of classifiers over multiple data sets", JMLR 7, section
    3.2.2 and table 5).

    Args:
        models: Number of models, k.
        blocks: Number of blocks, n.
        alpha: Level of the family of all pairs.
    """
    q = float(stats.studentized_range.isf(alpha, models, np.inf)) / math.sqrt(2)
    return q * math.sqrt(models * (models + 1) / (6 * blocks))


def iman_davenport(chi2: float, models: int, blocks: int) -> float:
    """The statistic (n - 1) chi2 / (n (k - 1) - chi2) of Iman & Davenport (1980), less conservative than chi2 itself.

    Infinite if all blocks agree.

    Args:
        chi2: Friedman's statistic.
        models: Number of models, k.
        blocks: Number of blocks, n.
    """
    rest = blocks * (models - 1) - chi2
    return (blocks - 1) * chi2 / rest if rest > 1e-9 * blocks else math.inf


def blocks_needed(models: int, alpha: float = 0.05) -> int:
    """Smallest number of blocks with which `models` models can be shown to differ at level `alpha`.

    The exact p of complete agreement must be at most alpha, and the critical difference at most k - 1, the largest
    possible difference of average ranks.

    Args:
        models: Number of models, k.
        alpha: Level of the tests.
    """
    n = 2
    while smallest_friedman_p(n, models) > alpha or nemenyi_difference(models, n, alpha) > models - 1:
        n += 1
    return n


def friedman_nemenyi(
    scores: np.ndarray, models: Sequence[str], *, alpha: float = 0.05, smaller_is_better: bool = True
) -> Ranking:
    """Ranks models within each block, tests whether they differ, and which pairs do.

    Friedman's test with Iman and Davenport's statistic, and if it rejects, Nemenyi's critical difference for all pairs
    (Demsar 2006, JMLR 7, section 3.2.2). Tied scores share their average rank, and the statistics are corrected for
    ties (Conover 1999, Practical Nonparametric Statistics, section 5.8), as in scipy and R. Demsar's formula is not
    corrected: it gives smaller values with ties.

    Blocks are meant to be data sets. If they are seeds of one data set, the result generalises to retraining on that
    data, not to other data; if mixed, a data set counts as often as it has seeds.

    Args:
        scores: One row for each block, one column for each model. NaN is a missing score, and its block is left out;
            an infinite error is the worst.
        models: Names of the columns.
        alpha: Level of the tests.
        smaller_is_better: True for errors, False for scores such as accuracy.

    Raises:
        DataError: if shapes are inconsistent, names repeat, there are fewer than 2 models, or no block is complete.
        ConfigurationError: if `alpha` is not between 0 and 1.
    """
    check_level(alpha)
    kept = _complete(scores, models)
    n, k = kept.shape
    ranks = stats.rankdata(kept if smaller_is_better else -kept, axis=1)
    chi2 = _friedman(ranks)
    f = iman_davenport(chi2, k, n)
    smallest = smallest_friedman_p(n, k)
    p = float(stats.f.sf(f, k - 1, (k - 1) * (n - 1))) if n > 1 else 1.0
    return Ranking(
        models=tuple(models),
        average_ranks=tuple(ranks.mean(axis=0).tolist()),
        blocks=n,
        dropped=len(scores) - n,
        chi2=chi2,
        chi2_p_value=float(stats.chi2.sf(chi2, k - 1)),
        f=f,
        p_value=max(p, smallest),
        smallest_p=smallest,
        critical_difference=nemenyi_difference(k, n, alpha),
        alpha=alpha,
    )


def _friedman(ranks: np.ndarray) -> float:
    """Friedman's statistic of ranks within blocks, corrected for ties; 0 if all models tie in every block.

    `scipy.stats.friedmanchisquare` gives the same, but refuses two models and divides by 0 where all are tied.
    """
    n, k = ranks.shape
    centre = (k + 1) / 2
    spread = ((ranks - centre) ** 2).sum()
    between = ((ranks.sum(axis=0) - n * centre) ** 2).sum()
    return float((k - 1) * between / spread) if spread else 0.0


def _complete(scores: np.ndarray, models: Sequence[str]) -> np.ndarray:
    if scores.ndim != 2 or scores.shape[1] != len(models):
        raise DataError(f"scores have shape {scores.shape}, expected (blocks, {len(models)}) for {len(models)} models")
    if len(models) < 2:
        raise DataError(f"{count(len(models), 'model')} to rank, at least 2 are needed")
    if len(set(models)) < len(models):
        twice = next(name for name in models if list(models).count(name) > 1)
        raise DataError(f"two models are called '{twice}'; each needs a name of its own")
    absent: np.ndarray = np.isnan(scores)
    kept = scores[~absent.any(axis=1)]
    if not len(kept):
        gaps = [name for name, missing in zip(models, np.any(absent, axis=0).tolist(), strict=True) if missing]
        raise DataError(
            f"none of {count(len(scores), 'block')} has a score of every model (missing: {', '.join(gaps) or 'all'}): "
            "leave those models out, or run what is missing"
        )
    return kept.astype(np.float64)

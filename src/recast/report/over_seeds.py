"""Differences between options and between groups, tested over seeds."""

import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from recast.report.document import Row, Table
from recast.report.groups import Group, in_order, many_valued
from recast.report.statistics.holm import holm
from recast.report.statistics.paired import PairedComparison, paired_comparison
from recast.report.statistics.unpaired import UnpairedComparison, unpaired_comparison
from recast.report.study import Ranked
from recast.report.words import NOTHING, number, probability, signed

Comparison = PairedComparison | UnpairedComparison
HEAD = ("first", "second", "verdict", "pairs", "first - second", "interval", "first better", "p", "Holm p")
HOW = (
    "Wilcoxon's signed-rank test over pairs, bootstrap interval (BCa) of the mean difference, p adjusted by Holm over "
    "this table. The tests speak about training again on the same data, not about other data. That no difference is "
    "shown does not show that there is none."
)


@dataclass(frozen=True)
class Pair:
    """Two things to compare, and their scores.

    Args:
        about: The option compared; "" for groups.
        names: Their names.
        first: Scores of the first, by cell or seed.
        second: Scores of the second.
    """

    about: str
    names: tuple[str, str]
    first: dict[tuple[str, ...], float]
    second: dict[tuple[str, ...], float]

    @property
    def shared(self) -> list[tuple[str, ...]]:
        """Cells with scores of both."""
        return [cell for cell in self.first if cell in self.second]


@dataclass(frozen=True)
class Tested:
    """A pair, its test result (None if there is nothing to test), and p after Holm's correction."""

    pair: Pair
    result: Comparison | None
    adjusted: float
    rejected: bool


def levels_table(ranked: Ranked, alpha: float) -> Table | None:
    """Each option's values against each other, all else equal; None if no option has several values."""
    tested = test_family(level_pairs(ranked), ranked, alpha)
    if not tested:
        return None
    rows = [_row(found, (found.pair.about,), alpha) for found in tested]
    return Table(
        f"{ranked.data.name}: values of one option, all else equal ({ranked.metric.title})",
        ("option", *HEAD),
        rows,
        words=4,
        note=f"A pair: two runs that differ in this option alone, of the same seed. {HOW}",
    )


def groups_table(ranked: Ranked, alpha: float) -> Table | None:
    """The first of the leaderboard against each other group; None if no group has a second seed."""
    scored = ranked.scored
    if len(scored) < 2 or max(len(group.scores) for group in scored) < 2:
        return None
    tested = test_family(group_pairs(scored), ranked, alpha)
    rows = [_row(found, (), alpha) for found in tested]
    return Table(
        f"{ranked.data.name}: the first of the leaderboard against the others ({ranked.metric.title})",
        HEAD,
        rows,
        words=3,
        note="A pair: two runs of the same seed; groups without common seeds are compared by the rank-sum test. The "
        f"first was chosen by the scores that are tested here, which flatters it. {HOW}",
    )


def level_pairs(ranked: Ranked) -> list[Pair]:
    """All pairs of values of each option with few values, with the scores of the other options' cells and seeds."""
    found = []
    many = many_valued(ranked.groups, ranked.options)
    for place, option in enumerate(ranked.options):
        if option in many:
            continue
        scores: dict[str, dict[tuple[str, ...], float]] = defaultdict(dict)
        for group in ranked.groups:
            rest = (*group.values[:place], *group.values[place + 1 :])
            for seed, score in group.scores.items():
                scores[group.values[place]][*rest, seed] = score
        found += [
            Pair(option, (first, second), scores[first], scores[second])
            for first, second in itertools.combinations(in_order(scores), 2)
        ]
    return found


def group_pairs(scored: Sequence[Group]) -> list[Pair]:
    """The first group with each other one, by seed."""
    best, *others = scored
    return [Pair("", (best.label, other.label), _by_seed(best), _by_seed(other)) for other in others]


def test_family(pairs: Sequence[Pair], ranked: Ranked, alpha: float) -> list[Tested]:
    """Tests a family of pairs and corrects for their number."""
    ways = [_test_for(pair) for pair in pairs]
    family = sum(way is not None for way in ways)
    results = [way(pair, ranked, alpha, family) if way else None for way, pair in zip(ways, pairs, strict=True)]
    known = [result.p_value for result in results if result is not None]
    corrected = holm(known, alpha=alpha) if known else None
    after = iter(zip(corrected.adjusted, corrected.rejected, strict=True) if corrected else ())
    return [
        Tested(pair, result, *((math.nan, False) if result is None else next(after)))
        for pair, result in zip(pairs, results, strict=True)
    ]


def verdict(found: Tested, alpha: float) -> str:
    """What a test says, in words."""
    result = found.result
    if result is None:
        return "nothing can be said: no common seeds, and too few for a test without pairs"
    first, second = found.pair.names
    if isinstance(result, PairedComparison):
        if result.n == result.zeros:
            return "all pairs are equal"
        first_wins = (result.rank_correlation < 0) == result.smaller_is_better
        short = f"{result.n - result.zeros} unequal pairs; {result.needed} are needed"
    else:
        first_wins = result.share_won > 0.5
        short = f"{result.sizes[0]} and {result.sizes[1]} seeds; {result.needed} each are needed"
    if found.rejected:
        return f"{first if first_wins else second} is better"
    if not result.enough:
        family = f" among {result.comparisons} comparisons" if result.comparisons > 1 else ""
        return f"nothing can be said at level {alpha:g}{family}: {short}"
    return "no difference is shown"


def _by_seed(group: Group) -> dict[tuple[str, ...], float]:
    return {(seed,): score for seed, score in group.scores.items()}


def _test_for(pair: Pair) -> Callable[[Pair, Ranked, float, int], Comparison] | None:
    if pair.shared:
        return _paired
    return _unpaired if not pair.about and min(len(pair.first), len(pair.second)) > 1 else None


def _paired(pair: Pair, ranked: Ranked, alpha: float, family: int) -> Comparison:
    return paired_comparison(
        [pair.first[cell] for cell in pair.shared],
        [pair.second[cell] for cell in pair.shared],
        names=pair.names,
        alpha=alpha,
        comparisons=family,
        smaller_is_better=not ranked.metric.higher,
    )


def _unpaired(pair: Pair, ranked: Ranked, alpha: float, family: int) -> Comparison:
    return unpaired_comparison(
        list(pair.first.values()),
        list(pair.second.values()),
        names=pair.names,
        alpha=alpha,
        comparisons=family,
        smaller_is_better=not ranked.metric.higher,
    )


def _row(found: Tested, leading: tuple[str, ...], alpha: float) -> Row:
    result, said = found.result, verdict(found, alpha)
    if result is None:
        return Row((*leading, *found.pair.names, said, "0", *[NOTHING] * 5), "absent")
    amount = str(result.n) if isinstance(result, PairedComparison) else "unpaired"
    interval = f"{signed(result.interval.low)} to {signed(result.interval.high)}"
    return Row(
        (
            *leading,
            *found.pair.names,
            said,
            amount,
            signed(result.mean_difference),
            interval,
            f"{number(100 * result.share_won, 3)} %",
            probability(result.p_value),
            probability(found.adjusted),
        ),
        "best" if found.rejected else "",
    )

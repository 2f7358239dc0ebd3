"""All groups at once, ranked within each seed of each data set."""

import math
from collections.abc import Sequence

import numpy as np

from recast.errors import DataError
from recast.figures.critical_difference import critical_difference
from recast.report.document import Block, Picture, Text
from recast.report.groups import in_order, label, value_of
from recast.report.statistics.ranking import friedman_nemenyi
from recast.report.study import Study
from recast.report.svg import data_uri
from recast.report.words import number, several

LEAST_GROUPS, LEAST_BLOCKS = 3, 2
MOST = 30  # names in a picture
NOTE = (
    "Ranks within blocks; a block is one seed on one data set. Models under one bar are not shown to differ (Nemenyi). "
    "Seeds of one data set speak about training again on that data: many of them are not many data sets."
)


def blocks(study: Study) -> list[Block]:
    """Friedman's test in words, and its diagram where possible."""
    scores, models, left_out = matrix(study)
    found: list[Block] = []
    if len(models) < LEAST_GROUPS or len(scores) < LEAST_BLOCKS:
        return [
            Text(
                f"All groups at once: {several(len(models), 'group')} on every data set and "
                f"{several(len(scores), 'block')} (a block is one seed on one data set); a ranking "
                f"needs {LEAST_GROUPS} groups and {LEAST_BLOCKS} blocks.",
                "note",
            )
        ]
    if left_out:
        found.append(Text(f"Not ranked together, since not on every data set: {', '.join(left_out)}.", "note"))
    try:
        ranking = friedman_nemenyi(scores, models, alpha=study.alpha)
    except DataError as error:
        return [*found, Text(f"All groups at once: nothing can be said; {error}", "warning")]
    found.append(Text(f"All groups at once: {ranking.conclusion}."))
    if len(models) > MOST:
        return [*found, Text(f"More than {MOST} groups: no picture.", "note")]
    ranks = dict(zip(ranking.models, ranking.average_ranks, strict=True))
    figure = critical_difference(
        ranks,
        distance=ranking.critical_difference,
        cliques=ranking.cliques,
        blocks=ranking.blocks,
        alpha=study.alpha,
    )
    said = ", ".join(f"{name} {number(ranks[name], 3)}" for name in ranking.order)
    found.append(Picture("Critical difference of average ranks", data_uri(figure), f"Average ranks: {said}", NOTE))
    return found


def matrix(study: Study) -> tuple[np.ndarray, list[str], list[str]]:
    """Errors (negated scores if larger is better), a row for each block and a column for each group.

    Returns:
        The errors, NaN where there is none; the groups' names; the groups missing from some data set.
    """
    options = [option for option in study.options if any(option in ranked.options for ranked in study.ranked)]
    tables = []
    for ranked in study.ranked:
        sign = -1.0 if ranked.metric.higher else 1.0
        table = {
            label([value_of(group.runs[0], option) for option in options], options): {
                seed: sign * score for seed, score in group.scores.items()
            }
            for group in ranked.scored
        }
        if table:
            tables.append(table)
    names = list(dict.fromkeys(name for table in tables for name in table))
    everywhere = [name for name in names if all(name in table for table in tables)]
    rows: list[Sequence[float]] = []
    for table in tables:
        seeds = in_order(seed for name in everywhere for seed in table[name])
        rows += [[table[name].get(seed, math.nan) for name in everywhere] for seed in seeds]
    scores = np.array(rows, dtype=np.float64).reshape(len(rows), len(everywhere))
    return scores, everywhere, [name for name in names if name not in everywhere]

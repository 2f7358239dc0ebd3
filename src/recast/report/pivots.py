"""Tables over any two options."""

import itertools
import math
from collections import defaultdict
from collections.abc import Mapping

import numpy as np

from recast.report.document import Block, Row, Section, Table, Text
from recast.report.groups import in_order, many_valued
from recast.report.study import Ranked, Study
from recast.report.words import NOTHING, spread

UNFOLDED = 2  # tables of a data set that are expanded
NOTE = (
    "Each cell is the mean over everything else that was varied; ± is the standard deviation over all runs in the "
    "cell, so it holds the other options' effect too. In brackets: runs with a result. ★ marks the best cell; compare "
    "cells only where the same runs are in them."
)


def section(study: Study) -> Section:
    """For each data set, a table over each pair of options with several values."""
    blocks: list[Block] = []
    for ranked in study.ranked:
        many = many_valued(ranked.groups, ranked.options)
        pairs = list(itertools.combinations([option for option in ranked.options if option not in many], 2))
        blocks += [pivot(ranked, *pair, folded=index >= UNFOLDED) for index, pair in enumerate(pairs)]
        if many:
            blocks.append(Text(f"{ranked.data.name}: too many values for a table: {', '.join(many)}.", "note"))
    if not blocks:
        blocks = [Text("There are no two options that both vary within a data set.")]
    return Section("Tables over two options", blocks, "pivots")


def pivot(ranked: Ranked, rows: str, columns: str, *, folded: bool = False) -> Table:
    """Mean ± standard deviation of the runs for each pair of values.

    Args:
        ranked: The data set.
        rows: Option of the rows.
        columns: Option of the columns.
        folded: Whether the table is collapsed by default.
    """
    values = cells(ranked, rows, columns)
    down, across = in_order(key[0] for key in values), in_order(key[1] for key in values)
    best = ranked.metric.best(float(np.mean(found)) for found in values.values() if found)
    lines = [Row((name, *(_cell(values.get((name, other)), best) for other in across))) for name in down]
    return Table(
        f"{ranked.data.name}: {ranked.metric.title}, {rows} (down) by {columns} (across)",
        (f"{rows} \\ {columns}", *across),
        lines,
        note=NOTE,
        folded=folded,
    )


def cells(ranked: Ranked, rows: str, columns: str) -> Mapping[tuple[str, str], list[float]]:
    """Scores for each pair of values of two options; an empty list if all runs failed."""
    down, across = ranked.options.index(rows), ranked.options.index(columns)
    found: dict[tuple[str, str], list[float]] = defaultdict(list)
    for group in ranked.groups:
        found[group.values[down], group.values[across]] += group.scores.values()
    return found


def _cell(scores: list[float] | None, best: float) -> str:
    if scores is None:
        return NOTHING
    if not scores:
        return "no result"
    mean = float(np.mean(scores))
    deviation = float(np.std(scores, ddof=1)) if len(scores) > 1 else math.nan
    star = " ★" if mean == best else ""
    return f"{spread(mean, deviation)} ({len(scores)}){star}"

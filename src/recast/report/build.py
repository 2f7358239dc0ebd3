"""The report as a whole, from its parts."""

from datetime import datetime

import recast
from recast.report import (
    compared,
    comparisons,
    curves,
    forecasts,
    horizons,
    how_sure,
    items,
    leaderboard,
    pivots,
    runs_table,
    search,
)
from recast.report.document import Document, Text
from recast.report.study import Study

PARTS = (compared, leaderboard, search, pivots, comparisons, horizons, how_sure, items, curves, forecasts, runs_table)


def build(study: Study) -> Document:
    """The report on a study."""
    now = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z")
    names = ", ".join(folder.resolve().name or str(folder) for folder in study.folders)
    others = len(study.runs) - sum(run.finished for run in study.runs)
    warnings = compared.warnings(study)
    summary = [Text(f"{compared.states(study.runs)}."), leaderboard.summary(study)]
    counted = ((others, "run without results", "runs without results"), (len(warnings), "remark", "remarks"))
    parts = [f"{amount} {one if amount == 1 else more}" for amount, one, more in counted if amount]
    if parts:
        summary.append(Text(f"{', '.join(parts)}: see part 1.", "warning"))
    return Document(
        title=f"Report: {names}",
        summary=summary,
        sections=[found for part in PARTS if (found := part.section(study)) is not None],
        footer=f"recast {recast.__version__}, {now}. Level of the tests: {study.alpha:g}.",
    )

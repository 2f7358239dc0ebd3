"""Every run, whatever its state."""

import math
from collections.abc import Sequence

from recast.report.document import Row, Section, Table
from recast.report.groups import in_order, rounded, value_of
from recast.report.run import Run
from recast.report.study import Study
from recast.report.words import NOTHING, duration, number

MOST_METRICS = 4  # columns; the others are in results.csv
FEW = 30  # runs that are shown expanded


def section(study: Study) -> Section:
    """The table of all runs."""
    return Section("All runs", [table(study)], "runs")


def table(study: Study) -> Table:
    """One row for each run, in order of data set, options and seed."""
    names = {id(run): ranked.data.name for ranked in study.ranked for run in ranked.data.runs}
    metrics = shown_metrics(study)
    options = [*study.options, "seed"]
    rows = []
    for run in in_sequence(study.runs, study.options):
        scores = [number(run.scores.get(metric, math.nan), 5) for metric in metrics]
        rows.append(
            Row(
                (
                    *(rounded(value_of(run, option)) for option in options),
                    run.state.value,
                    names.get(id(run), NOTHING),
                    run.name,
                    *scores,
                    duration(run.fit_seconds),
                ),
                "" if run.finished else "absent",
            )
        )
    return Table(
        "All runs",
        (*options, "state", "data set", "folder", *metrics, "time"),
        rows,
        words=len(options) + 3,
        note="Scores of the test part, in the data's unit. Every number and every digit is in results.csv.",
        folded=len(rows) > FEW,
    )


def shown_metrics(study: Study) -> list[str]:
    """The metrics that rank, then others, as many as a table can hold."""
    first = [ranked.metric.name for ranked in study.ranked]
    others = [metric for run in study.runs for metric in run.scores]
    return list(dict.fromkeys([*first, *others]))[:MOST_METRICS]


def in_sequence(runs: Sequence[Run], options: Sequence[str]) -> list[Run]:
    """Runs in the order of their options' values, then of their seeds; numbers by size."""
    places = {
        option: {value: place for place, value in enumerate(in_order(value_of(run, option) for run in runs))}
        for option in (*options, "seed")
    }
    return sorted(runs, key=lambda run: ([places[option][value_of(run, option)] for option in places], run.name))

"""The scores of the items of a panel: how they are spread, and which are the worst."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recast.errors import DataError
from recast.figures.style import cut
from recast.report.bands import Band, picture
from recast.report.document import Block, Picture, Row, Section, Table, Text
from recast.report.groups import value_of
from recast.report.metric import Metric
from recast.report.run import LAST_VALUE, Run
from recast.report.study import Ranked, Study
from recast.report.svg import data_uri
from recast.report.words import NOTHING, count, number, several

FILE = "per_item.csv"
MODEL = "model"
POINTS = 201  # of a curve, at most
MOST = 5  # groups in a picture
FEW = 30  # runs that are shown expanded
WORST = 10  # items that are named
LONGEST = 40  # characters of an item's name beside a number
HOW = (
    "Mean, quartiles and the worst of the scores of single items. The mean counts each item alike; the score of the "
    "leaderboard counts each window alike. Every item is in per_item.csv of each run."
)


@dataclass(frozen=True, eq=False)
class ItemScores:
    """The scores of the items of a data set in its ranking metric.

    Args:
        runs: Of each run, in the order of the ranking: the score of each item by name.
        baselines: The same of each baseline, the best first, from the run in which it does best.
        problems: A line for each run whose scores cannot be read.
    """

    runs: Mapping[Run, pd.Series]
    baselines: Mapping[str, pd.Series]
    problems: Sequence[str]

    @property
    def reference(self) -> str | None:
        """Name of the best baseline."""
        return next(iter(self.baselines), None)


def section(study: Study) -> Section:
    """The spread as table and picture, and the worst items, of each data set with several items."""
    blocks: list[Block] = []
    for ranked in study.ranked:
        found = scores(ranked)
        blocks += [Text(line, "warning") for line in found.problems]
        if found.runs:
            blocks += [table(ranked, found), _picture(ranked, found), worst(ranked, found)]
    if not blocks:
        blocks = [Text("No data set has several items.")]
    return Section("Scores of the items", blocks, "items")


def scores(ranked: Ranked) -> ItemScores:
    """What the runs of a data set wrote; nothing where it is a single series."""
    metric = ranked.metric.name
    written: dict[Run, dict[str, pd.Series]] = {}
    problems = []
    for run in (run for group in ranked.scored for run in group.finished if run.has_items):
        try:
            written[run] = read(run.folder / FILE, metric)
        except (DataError, OSError, ValueError) as error:
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            problems.append(f"{ranked.data.name}: no scores of the items of {run.name}: {reason}")
    baselines = {}
    for reference in ranked.references:
        name = reference.name
        overall = {run: run.baselines.get(name, {}).get(metric) for run, found in written.items() if name in found}
        best = next((run for run, value in overall.items() if value == reference.best), next(iter(overall), None))
        if best is not None:
            baselines[name] = written[best][name]
    return ItemScores({run: found[MODEL] for run, found in written.items()}, baselines, problems)


def read(path: Path, metric: str) -> dict[str, pd.Series]:
    """The scores in a metric of a per_item.csv: of each forecaster those of the items that have one, by name.

    Args:
        path: The file.
        metric: Name of the metric.

    Raises:
        DataError: if it holds no score of the model in this metric.
        OSError: if it cannot be read.
        ValueError: if it is not such a table.
    """
    ending = f":{metric}"
    table: Any = pd.read_csv(path, converters={"item": str}, index_col="item")  # an item may be called "NA"
    found = {
        column.removesuffix(ending): table[column].astype(float).dropna() for column in table if column.endswith(ending)
    }
    if MODEL not in found or found[MODEL].empty:
        raise DataError(f"{path.name} holds no {metric} of the model")
    return {name: values for name, values in found.items() if len(values)}


def table(ranked: Ranked, found: ItemScores) -> Table:
    """A row for each run, then one for each baseline."""
    options, reference = [*ranked.options, "seed"], found.reference
    rows = []
    for run, values in found.runs.items():
        ahead = NOTHING
        if reference is not None:
            better, both = _better(ranked.metric, values, found.baselines[reference])
            ahead = f"{count(better)} of {count(both)}"
        *numbers, worst_item = _spread(ranked.metric, values)
        rows.append(Row((*(value_of(run, option) for option in options), *numbers, ahead, worst_item)))
    for name, values in found.baselines.items():
        names = (f"baseline: {name}", *("" for _ in options[1:]))
        *numbers, worst_item = _spread(ranked.metric, values)
        rows.append(Row((*names, *numbers, "", worst_item), "baseline"))
    title = "items ahead" if reference is None else f"ahead of {reference}"
    return Table(
        f"{ranked.data.name}: {ranked.metric.title} over the items",
        (*options, "items", "mean", "lower quartile", "median", "upper quartile", title, "worst item"),
        rows,
        words=len(options),
        note=HOW,
        folded=len(found.runs) > FEW,
    )


def worst(ranked: Ranked, found: ItemScores) -> Table:
    """The items at which the first group does worst, by its mean over seeds, beside the baselines."""
    label, runs = _groups(ranked, found)[0]
    own: pd.Series = pd.concat(runs, axis=1).mean(axis=1)
    chosen = _distance(ranked.metric, own).sort_values(ascending=False, kind="stable").index[:WORST]
    beside = pd.concat([own, *found.baselines.values()], axis=1).loc[chosen].to_numpy(dtype=float)
    rows = [
        Row((cut(str(item), LONGEST), *map(number, values)))
        for item, values in zip(chosen, beside.tolist(), strict=True)
    ]
    return Table(
        f"{ranked.data.name}: the items at which {label} is worst, {ranked.metric.title}",
        ("item", label, *found.baselines),
        rows,
        note=f"Means over {several(len(runs), 'run')}. An item that is difficult for all is another finding than "
        "one at which the model alone does badly.",
    )


def curves(ranked: Ranked, found: ItemScores) -> list[Band]:
    """Quantiles over the items: of the first groups, the best baseline and the last value."""
    items = min(map(len, found.runs.values()))
    share = np.linspace(0, 1, min(items, POINTS))
    bands = [
        Band(f"{label} ({several(len(runs), 'run')})", 100 * share, np.array([np.quantile(run, share) for run in runs]))
        for label, runs in _groups(ranked, found)[:MOST]
    ]
    named = [name for place, name in enumerate(found.baselines) if place == 0 or name == LAST_VALUE]
    return bands + [
        Band(f"{name} (baseline)", 100 * share, np.quantile(found.baselines[name], share)[None], reference=True)
        for name in named
    ]


def _picture(ranked: Ranked, found: ItemScores) -> Picture:
    shown = curves(ranked, found)
    figure = picture(shown, x="share of the items, the smallest values first [%]", y=ranked.metric.title, log=True)
    middles = "; ".join(f"{band.name}: {number(float(np.median(band.mean)))}" for band in shown)
    left_out = len(_groups(ranked, found)) - MOST
    more = f" {several(left_out, 'group')} left out." if left_out > 0 else ""
    return Picture(
        f"{ranked.data.name}: {ranked.metric.title} of the items",
        data_uri(figure),
        f"{ranked.metric.name} of the items in the order of their size; medians: {middles}",
        "Each curve has its items in an order of its own: at 50 % is the median, at the right end the largest value. "
        f"Lines: means over seeds. Bands: from the smallest to the largest seed.{more}",
    )


def _groups(ranked: Ranked, found: ItemScores) -> list[tuple[str, list[pd.Series]]]:
    """Label and runs of the groups, the best first."""
    members = [
        (group.label, [found.runs[run] for run in group.finished if run in found.runs]) for group in ranked.scored
    ]
    return [(label, runs) for label, runs in members if runs]


def _spread(metric: Metric, values: pd.Series) -> tuple[str, ...]:
    middle = (float(values.mean()), *np.quantile(values, [0.25, 0.5, 0.75]).tolist())
    item = _distance(metric, values).idxmax()
    worst = f"{number(float(values.loc[[item]].iloc[0]))} ({cut(str(item), LONGEST)})"
    return count(len(values)), *map(number, middle), worst


def _distance(metric: Metric, values: pd.Series) -> pd.Series:
    return (values - metric.description.perfect).abs()


def _better(metric: Metric, values: pd.Series, reference: pd.Series) -> tuple[int, int]:
    """At how many of the common items the values are better."""
    own, other = values.align(reference, join="inner")
    return int((own > other if metric.higher else own < other).sum()), len(own)

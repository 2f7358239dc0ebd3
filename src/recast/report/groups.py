"""Runs that differ in nothing but the seed."""

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recast.report.metric import Metric
from recast.report.options import constant, in_order, short_names, value_of
from recast.report.run import Run

MOST_VALUES = 12


@dataclass(frozen=True, eq=False)
class Group:
    """Runs of the same options.

    Args:
        values: The value of each option that tells groups apart.
        label: What it is called.
        runs: Its runs, of any state.
        scores: Score of each seed in the metric that ranks; a seed that was run twice counts once, with the mean.
    """

    values: tuple[str, ...]
    label: str
    runs: tuple[Run, ...]
    scores: dict[str, float]

    @property
    def finished(self) -> tuple[Run, ...]:
        """Its runs with results."""
        return tuple(run for run in self.runs if run.finished)

    @property
    def mean(self) -> float:
        """Mean score over seeds; NaN without any."""
        return float(np.mean(list(self.scores.values()))) if self.scores else math.nan

    @property
    def deviation(self) -> float:
        """Standard deviation over seeds, of the sample (n - 1); NaN for a single seed."""
        return float(np.std(list(self.scores.values()), ddof=1)) if len(self.scores) > 1 else math.nan

    @property
    def planned(self) -> int:
        """Seeds asked for, whatever became of them."""
        return len({run.seed or run.name for run in self.runs})

    @property
    def middle(self) -> Run | None:
        """A run of the median score, the lower one of two: neither picked for being good nor for being bad."""
        if not self.scores:
            return None
        ranked = sorted(self.scores, key=lambda seed: (self.scores[seed], seed))
        seed = ranked[(len(ranked) - 1) // 2]
        return next(run for run in self.finished if run.seed == seed)


def group_options(runs: Sequence[Run], options: Sequence[str]) -> tuple[str, ...]:
    """Options that differ between these runs."""
    same = constant(runs, options)
    return tuple(option for option in options if option not in same)


def many_valued(found: Sequence[Group], options: Sequence[str]) -> list[str]:
    """Options with so many values, as a search over real numbers gives them, that they cannot be set side by side."""
    values = {option: {group.values[place] for group in found} for place, option in enumerate(options)}
    return [option for option in options if len(values[option]) > MOST_VALUES]


def groups(runs: Sequence[Run], options: Sequence[str], metric: Metric) -> list[Group]:
    """The groups, the best first; those without a score at the end.

    Args:
        runs: Runs on one data set, of any state.
        options: What tells groups apart.
        metric: What ranks them.
    """
    members: dict[tuple[str, ...], list[Run]] = defaultdict(list)
    for run in runs:
        members[tuple(value_of(run, option) for option in options)].append(run)
    found = [
        Group(values, label(values, options), tuple(inside), _scores(inside, metric))
        for values, inside in members.items()
    ]
    sign = -1 if metric.higher else 1
    return sorted(found, key=lambda group: (not group.scores, sign * group.mean if group.scores else 0, group.label))


def _scores(runs: Sequence[Run], metric: Metric) -> dict[str, float]:
    values: dict[str, list[float]] = defaultdict(list)
    for run in runs:
        if run.finished and metric.name in run.scores:
            values[run.seed].append(run.scores[metric.name])
    return {seed: float(np.mean(values[seed])) for seed in in_order(values)}


def label(values: Sequence[str], options: Sequence[str]) -> str:
    """Values side by side; a number or a switch says nothing without its option's name.

    Args:
        values: The value of each option.
        options: The options.
    """
    names = short_names(options)
    words = [
        value
        if value.replace("_", "").isalpha() and value not in ("true", "false", "null")
        else f"{names[name]}={value}"
        for name, value in zip(options, values, strict=True)
    ]
    return " · ".join(words) or "model"

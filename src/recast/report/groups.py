"""Runs that differ in nothing but the seed."""

import json
import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from recast.report.metric import Metric
from recast.report.run import Run

SEED = "seed"
INCIDENTAL = (
    *("resume", "paths", "hydra", "logger", "callbacks.progress_bar", "callbacks.terminal_plot"),
    "callbacks.pruning",
)
"""Options, with everything below them, that affect output, display, and which trials of a search end early, but not the
results of those that finish."""
UNKNOWN = "?"


def parse(overrides: Iterable[str]) -> dict[str, str]:
    """Overrides as on the command line, value by key: `+model.cell.layers=2` gives {"model.cell.layers": "2"}."""
    found = {}
    for override in overrides:
        key, equals, value = override.partition("=")
        if key.startswith("~"):
            found[key[1:]] = "(left out)"
        elif equals:
            found[key.lstrip("+")] = canonical(value)
    return found


def canonical(value: Any) -> str:
    """A canonical text for each value: 0.1, 0.10 and 1e-1 are the same."""
    if isinstance(value, str):
        text = value.strip()
        if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
            return text[1:-1]
        return _number(text) or {"none": "null", "null": "null", "true": "true", "false": "false"}.get(
            text.lower(), text
        )
    if isinstance(value, float):
        return repr(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return json.dumps(value, default=str)


def _number(text: str) -> str | None:
    for kind in (int, float):
        try:
            return canonical(kind(text)) if kind is float else str(int(text))
        except (ValueError, OverflowError):
            continue
    return None


def rounded(value: str) -> str:
    """A value as tables and legends show it: numbers with more than four significant digits are rounded to these."""
    try:
        found = float(value)
    except ValueError:
        return value
    short = f"{found:.4g}"
    return short if "." in value and math.isfinite(found) and len(short) < len(value) else value


def value_of(run: Run, option: str) -> str:
    """The value of an option of a run: from its overrides, otherwise from its configuration."""
    if option == SEED:
        return run.seed or UNKNOWN
    return run.overrides.get(option, run.chosen.get(option, UNKNOWN))


def differing(runs: Sequence[Run]) -> tuple[str, ...]:
    """Options given to some run that differ between runs, except the seed, in the order given."""
    given = dict.fromkeys(option for run in runs for option in run.overrides)
    return tuple(
        option
        for option in given
        if option != SEED and not _incidental(option) and len({value_of(run, option) for run in runs}) > 1
    )


def _incidental(option: str) -> bool:
    return any(option == name or option.startswith((f"{name}.", f"{name}/")) for name in INCIDENTAL)


def constant(runs: Sequence[Run], options: Iterable[str]) -> dict[str, str]:
    """The options that have the same value in all runs, with that value."""
    values = {option: {value_of(run, option) for run in runs} for option in options}
    return {option: found.pop() for option, found in values.items() if len(found) == 1}


def short_names(options: Sequence[str]) -> dict[str, str]:
    """The last words of each option that identify it uniquely: `cell` for `model/cell`."""
    split = {option: option.replace("/", ".").split(".") for option in options}
    return {option: ".".join(_telling_tail(words, list(split.values()))) for option, words in split.items()}


def _telling_tail(words: list[str], all_words: list[list[str]]) -> list[str]:
    for count in range(1, len(words)):
        if sum(other[-count:] == words[-count:] for other in all_words) == 1:
            return words[-count:]
    return words


def in_order(values: Iterable[str]) -> list[str]:
    """Distinct values of an option, numbers by size and before words."""

    def key(value: str) -> tuple[int, float, str]:
        number = _number(value)
        return (1, 0.0, value) if number is None else (0, float(number), value)

    return sorted(set(values), key=key)


MOST_VALUES = 12


@dataclass(frozen=True, eq=False)
class Group:
    """Runs of the same options.

    Args:
        values: The value of each option that distinguishes groups.
        label: Its label.
        runs: Its runs, of any state.
        scores: Score of each seed in the ranking metric; repeated seeds count once, with their mean.
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
        """Sample standard deviation (n - 1) over seeds; NaN for a single seed."""
        return float(np.std(list(self.scores.values()), ddof=1)) if len(self.scores) > 1 else math.nan

    @property
    def planned(self) -> int:
        """Number of seeds requested, whatever their state."""
        return len({run.seed or run.name for run in self.runs})

    @property
    def middle(self) -> Run | None:
        """The run with the median score, the lower one of two."""
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
    """Options with too many values to tabulate, as from a search over real numbers."""
    values = {option: {group.values[place] for group in found} for place, option in enumerate(options)}
    return [option for option in options if len(values[option]) > MOST_VALUES]


def groups(runs: Sequence[Run], options: Sequence[str], metric: Metric) -> list[Group]:
    """The groups, the best first; those without a score at the end.

    Args:
        runs: Runs on one data set, of any state.
        options: Options that distinguish groups.
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
    """Values joined; numbers and switches are preceded by their option's name.

    Args:
        values: The value of each option.
        options: The options.
    """
    names = short_names(options)
    values = [rounded(value) for value in values]
    words = [
        value
        if value.replace("_", "").isalpha() and value not in ("true", "false", "null")
        else f"{names[name]}={value}"
        for name, value in zip(options, values, strict=True)
    ]
    return " · ".join(words) or "model"

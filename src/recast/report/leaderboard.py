"""The leaderboard of each data set."""

import math
from collections.abc import Sequence

import numpy as np

from recast.report.document import Block, Items, Row, Section, Table, Text
from recast.report.groups import Group, rounded
from recast.report.metric import Reference
from recast.report.study import Ranked, Study
from recast.report.words import NOTHING, count, decimals, duration, number, spread

HOW = (
    "Mean ± standard deviation (of the sample) over seeds; results.csv holds every digit. Skill, against the best "
    "baseline: (score - baseline) / (perfect - baseline), so 1 is perfect and below 0 is worse than the baseline. Time "
    "is that of training, its mean over seeds. A group some of whose runs failed is flattered by those that did not."
)


def section(study: Study) -> Section:
    """A leaderboard for each data set."""
    blocks: list[Block] = [table(ranked) for ranked in study.ranked]
    if not blocks:
        blocks = [Text("No run has finished, so there is nothing to rank.", "warning")]
    return Section("Leaderboard", blocks, "leaderboard")


def table(ranked: Ranked) -> Table:
    """Groups and baselines of a data set, the best first; groups without a score at the end."""
    lines: list[tuple[float, Row]] = [(group.mean, _group_row(ranked, group)) for group in ranked.groups]
    lines += [(reference.best, _baseline_row(ranked, reference)) for reference in ranked.references]
    sign = -1 if ranked.metric.higher else 1
    lines.sort(key=lambda line: (not math.isfinite(line[0]), sign * line[0] if math.isfinite(line[0]) else 0))
    options = ranked.options or ("model",)
    return Table(
        f"{ranked.data.name}: {ranked.metric.title} over {ranked.data.counted}",
        (*options, ranked.metric.title, "seeds", "skill", "verdict", "parameters", "time"),
        [row for _, row in lines],
        words=len(options),
        note=HOW,
    )


def verdict(ranked: Ranked, group: Group) -> str:
    """How a group compares with the best baseline, in words."""
    reference = ranked.reference
    if not group.scores:
        return "no result"
    if reference is None:
        return NOTHING
    wins = sum(ranked.metric.better(score, reference.best) for score in group.scores.values())
    share = f"{wins} of {len(group.scores)} seeds better"
    if ranked.metric.better(group.mean, reference.best):
        return f"beats {reference.name} ({share})"
    return f"loses to {reference.name} ({share})"


def summary(study: Study) -> Items:
    """A line for each data set: the best group, and whether it beats the baselines."""
    lines = []
    for ranked in study.ranked:
        first = next(iter(ranked.scored), None)
        if first is None:
            continue
        line = f"{ranked.data.name}: first is {first.label} with {ranked.metric.name} {_score(ranked, first)}"
        reference = ranked.reference
        if reference is None:
            lines.append(f"{line}; there is no baseline to hold it against.")
            continue
        losing = [group for group in ranked.scored if not ranked.metric.better(group.mean, reference.best)]
        line += f"; the best baseline, {reference.name}, has {number(reference.best)}"
        if len(losing) == len(ranked.scored):
            line += ". No model beats it."
        elif losing:
            line += f". {len(losing)} of {len(ranked.scored)} models lose to it."
        else:
            line += ". Every model beats it."
        lines.append(line)
    return Items([*lines, *(line for ranked in study.ranked for line in _searched(ranked))])


def _searched(ranked: Ranked) -> list[str]:
    """What a search chose, where groups are trials of one: it judges by validation, the ranking by the test."""
    trials = [
        run for run in ranked.data.finished if run.is_trial and run.selection and ranked.metric.name in run.scores
    ]
    curves = {run.selection[:2] for run in trials if run.selection}
    if len(trials) < 2 or len(curves) != 1:
        return []
    ((monitor, mode),) = curves
    chosen = (max if mode == "max" else min)(trials, key=lambda run: run.selection[2] if run.selection else 0.0)
    label = next(group.label for group in ranked.groups if chosen in group.runs)
    value = chosen.selection[2] if chosen.selection else math.nan
    line = (
        f"{ranked.data.name}: {len(trials)} runs are trials of a search, which judges by {monitor}. It chose {label} "
        f"({monitor} {number(value)}), whose {ranked.metric.name} of the test is "
        f"{number(chosen.scores[ranked.metric.name])}: that is its result. The ranking here is by the test, which "
        f"flatters the first of {len(trials)} trials."
    )
    return [line]


def _score(ranked: Ranked, group: Group) -> str:
    unit = f" {ranked.metric.unit}" if ranked.metric.unit else ""
    seeds = len(group.scores)
    return f"{spread(group.mean, group.deviation)}{unit} ({seeds} seed{'' if seeds == 1 else 's'})"


def _group_row(ranked: Ranked, group: Group) -> Row:
    reference = ranked.reference
    skill = ranked.metric.skill(group.mean, reference.best) if reference and group.scores else math.nan
    lost = bool(group.scores and reference and not ranked.metric.better(group.mean, reference.best))
    first = bool(group.scores) and group is ranked.groups[0]
    return Row(
        (
            *(map(rounded, group.values or ("model",))),
            spread(group.mean, group.deviation),
            f"{len(group.scores)} of {group.planned}",
            decimals(skill),
            verdict(ranked, group),
            _parameters([run.parameters for run in group.finished if run.parameters is not None]),
            duration(_mean([run.fit_seconds for run in group.finished])),
        ),
        "absent" if not group.scores else "worse" if lost else "best" if first else "",
    )


def _baseline_row(ranked: Ranked, reference: Reference) -> Row:
    best = ranked.reference
    skill = ranked.metric.skill(reference.best, best.best) if best and reference != best else math.nan
    names = ("baseline: " + reference.name, *("" for _ in ranked.options[1:]))
    note = "best baseline" if reference == best else "baseline"
    return Row((*names, number(reference.best), "", decimals(skill), note, "", ""), "baseline")


def _parameters(found: Sequence[int]) -> str:
    if not found:
        return NOTHING
    low, high = min(found), max(found)
    return count(low) if low == high else f"{count(low)} to {count(high)}"


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return float(np.mean(finite)) if finite else math.nan

"""The first part of the report: what was compared, and what is missing."""

from collections import Counter, defaultdict
from collections.abc import Sequence

from recast.report.data_sets import DataSet, limited
from recast.report.document import Block, Items, Row, Section, Table, Text
from recast.report.groups import UNKNOWN, in_order, rounded, value_of
from recast.report.metric import described
from recast.report.run import Run, mapping
from recast.report.study import Ranked, Study
from recast.report.words import NOTHING, count, several
from recast.scoring.metrics.description import ranking, ranking_remark
from recast.sweeps.job_folder import State

MOST = 8  # values of one option named in a line


def section(study: Study) -> Section:
    """What was read, from where, what differs, and caveats for the ranking."""
    blocks: list[Block] = [
        Text(f"Read from {', '.join(map(str, study.folders))}: {states(study.runs)}."),
        *_options(study),
        *_data(study),
    ]
    found = warnings(study)
    if found:
        blocks += [Text("Mind:", "warning"), Items(found, "warning")]
    blocks += _without_results(study.runs)
    return Section("What was compared", blocks, "compared")


def states(runs: Sequence[Run]) -> str:
    """How many runs are in each state."""
    counts = Counter(run.state for run in runs)
    parts = [f"{counts[state]} {state.value}" for state in State if counts[state]]
    return f"{several(len(runs), 'run')}: {', '.join(parts)}"


def _options(study: Study) -> list[Block]:
    options = [*study.options, "seed"]
    rows = []
    for option in options:
        values = in_order(value_of(run, option) for run in study.runs)
        named = ", ".join(map(rounded, values[:MOST])) + (
            f" and {len(values) - MOST} more" if len(values) > MOST else ""
        )
        rows.append(Row((option, str(len(values)), named)))
    if len(rows) == 1 and rows[0].cells[1] == "1":
        return [Text("Nothing differs between the runs.")]
    return [
        Table(
            "What differs between the runs",
            ("option", "values", "which"),
            rows,
            words=3,
            note="Only options that runs were started with; those that say where results go are left out.",
        )
    ]


def _data(study: Study) -> list[Block]:
    rows = [_data_row(ranked.data, f"{ranked.metric.title}, {_sense(ranked)}") for ranked in study.ranked]
    return (
        [
            Table(
                "Data",
                ("data set", "SHA-256", "metric", "options", "test windows", "horizon", "finished", "runs"),
                rows,
                words=4,
                note="Runs are ranked together only where fingerprint, scored windows, horizon and unit are the same.",
            )
        ]
        if rows
        else []
    )


def _data_row(data: DataSet, metric: str) -> Row:
    horizon = NOTHING if data.horizon is None else f"{data.horizon} steps of {data.step or '?'}"
    constants = ", ".join(f"{option}={value}" for option, value in data.constants.items() if value != UNKNOWN)
    return Row(
        (
            data.name,
            data.fingerprint[:12],
            metric,
            constants or NOTHING,
            count(data.windows) if data.windows == data.of else f"{count(data.windows)} of {count(data.of)}",
            horizon,
            str(len(data.finished)),
            str(len(data.runs)),
        )
    )


def _sense(ranked: Ranked) -> str:
    return "larger is better" if ranked.metric.higher else "smaller is better"


def warnings(study: Study) -> list[str]:
    """Reasons not to take the numbers at face value."""
    found = list(study.problems)
    if len(study.ranked) > 1:
        found.append(f"{len(study.ranked)} data sets: each has its own leaderboard; their scores are never mixed.")
    found += limited([ranked.data for ranked in study.ranked])
    found += [f"{reason}: {_named(runs)} not ranked." for reason, runs in study.unranked.items()]
    lost = [run for run in study.homeless if run.finished]
    if lost:
        found.append(f"Not ranked, since provenance.json does not say which data they are on: {_named(lost)}.")
    found += _versions(study.runs)
    for ranked in study.ranked:
        found += [f"{ranked.data.name}: {line}" for line in _group_warnings(ranked)]
    found += [f"{run.name}: {problem}" for run in study.runs for problem in run.problems]
    return found


def _versions(runs: Sequence[Run]) -> list[str]:
    found = []
    made = [run for run in runs if run.finished and run.provenance]
    commits = defaultdict(list)
    for run in made:
        commit = mapping(run.provenance.get("commit"))
        hashed = str(commit.get("hash") or "no commit")[:10]
        commits[f"{hashed}, modified" if commit.get("modified") else hashed].append(run)
    if len(commits) > 1:
        parts = [f"{name} ({several(len(which), 'run')})" for name, which in commits.items()]
        found.append(f"The runs were made with different commits: {', '.join(parts)}.")
    if any(name.endswith("modified") for name in commits):
        found.append("Files differed from the commit in some runs, so the commit does not say what was run.")
    facts = [{"recast": run.provenance.get("recast"), **mapping(run.provenance.get("packages"))} for run in made]
    for name in dict.fromkeys(name for fact in facts for name in fact):
        versions = in_order(str(fact.get(name)) for fact in facts)
        if len(versions) > 1:
            found.append(f"Versions of {name} differ: {', '.join(versions)}.")
    return found


def _group_warnings(ranked: Ranked) -> list[str]:
    found = []
    descriptions = described(ranked.data.finished)
    remark = ranking_remark(descriptions)
    if remark is not None and ranked.metric.name == ranking(descriptions):
        found.append(remark)
    for group in ranked.groups:
        seeds = Counter(run.seed for run in group.finished)
        repeated = [seed for seed, times in seeds.items() if times > 1]
        if repeated:
            found.append(
                f"{group.label}: seed {', '.join(repeated)} was run more than once; it counts once, with the mean"
            )
        hidden = _hidden(group.finished)
        if hidden:
            found.append(
                f"{group.label}: runs that are taken for repetitions differ in {', '.join(hidden[:MOST])}, "
                "which none of them was started with: has a default changed?"
            )
        broken = [run.name for run in group.finished if ranked.metric.name not in run.scores]
        if broken:
            found.append(f"{group.label}: {ranked.metric.name} is not a finite number in {', '.join(broken)}; left out")
    found += [
        f"baseline {reference.name} is not the same in all runs: it depends on what differs; its best score counts"
        for reference in ranked.references
        if reference.differs
    ]
    return found


def _hidden(runs: Sequence[Run]) -> list[str]:
    """Options that differ unintentionally between runs of one group."""
    asked = {option for run in runs for option in run.overrides} | {"seed"}
    found = []
    for option in dict.fromkeys(option for run in runs for option in run.chosen):
        values = [run.chosen.get(option) for run in runs if run.chosen]
        follows_seed = all(run.chosen.get(option) == run.seed for run in runs if run.chosen)
        incidental = option.startswith(("paths.", "hydra", "resume", "logger", "callbacks.pruning"))
        if len(set(values)) > 1 and option not in asked and not follows_seed and not incidental:
            found.append(option)
    return found


def _without_results(runs: Sequence[Run]) -> list[Block]:
    others = [run for run in runs if not run.finished]
    if not others:
        return [Text("Every run has finished.")]
    order = list(State)
    rows = [
        Row((run.name, run.state.value, run.reason), "absent")
        for run in sorted(others, key=lambda run: (order.index(run.state), run.name))
    ]
    return [Table("Runs without results", ("run", "state", "reason"), rows, words=3)]


def _named(runs: Sequence[Run]) -> str:
    names = [run.name for run in runs]
    return ", ".join(names[:MOST]) + (f" and {len(names) - MOST} more" if len(names) > MOST else "")

"""Searches: how the best score came about, and which options matter."""

import math
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from recast.figures.style import BLACK, GREY, VERMILLION, blank, name_axes, tidy
from recast.report.bands import HEIGHT, LEGEND_LINE, WIDTH, legend
from recast.report.document import Block, Picture, Row, Section, Table, Text
from recast.report.groups import rounded
from recast.report.run import mapping
from recast.report.study import Study
from recast.report.svg import data_uri
from recast.report.words import decimals, number, several
from recast.system.distribution import how_to_install

JOURNAL = "study.journal"
RANKING = "ranking/validation"
"""The curve that a search judges by unless told otherwise: that of the metric that ranks, whichever it is."""
FEWEST = 10  # finished trials from which importances are estimated
WIDE = 30.0  # largest value over smallest from which the scale is logarithmic
NOTE = (
    "Importance: the share of the variance of the validation score over the searched space that an option explains, by "
    "functional ANOVA on a random forest (Hutter et al. 2014, as in Optuna); they add up to 1. It says what mattered "
    "within the ranges searched, and is rough where trials are few."
)


def section(study: Study) -> Section | None:
    """A picture and a table for each search; None without any."""
    folders = dict.fromkeys(run.folder.parent for run in study.runs if run.is_trial)
    blocks: list[Block] = []
    for folder in folders:
        blocks += _blocks(folder)
    return Section("Searches", blocks, "searches") if blocks else None


def _blocks(folder: Path) -> list[Block]:
    options = _options(folder)
    if not (folder / JOURNAL).exists():
        where = "a database of its own" if options.get("storage") else f"no {JOURNAL}"
        return [Text(f"{folder.name}: {where}: neither history nor importances.", "note")]
    if find_spec("optuna") is None:
        return [Text(f"{folder.name}: a search is read by Optuna: {how_to_install('search')}", "note")]
    try:
        found = _load(folder / JOURNAL, str(options.get("study_name") or "recast"))
    except (OSError, ValueError, KeyError) as error:
        return [Text(f"{folder.name}: {JOURNAL} cannot be read ({error}).", "warning")]
    given = str(options.get("monitor") or RANKING)
    monitor = "validation score" if given == RANKING else given
    return [*_history(folder.name, found, monitor), *_importances(folder.name, found)]


def _options(folder: Path) -> dict[str, Any]:
    """The options of the search, as Hydra wrote them."""
    try:
        written = yaml.safe_load((folder / "multirun.yaml").read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    found = dict(mapping(mapping(mapping(written).get("hydra")).get("sweeper")))
    return found if all("${" not in str(value) for value in found.values()) else found | {"monitor": None}


def _load(journal: Path, name: str) -> Any:
    """The study in a journal, read from a copy: Optuna opens journals for writing. A torn last line is left out."""
    import optuna
    from optuna.storages.journal import JournalFileBackend

    # It tells of each study that is made.
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    content = journal.read_bytes()
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / JOURNAL
        copy.write_bytes(content[: content.rfind(b"\n") + 1])
        storage = optuna.storages.JournalStorage(JournalFileBackend(str(copy)))
        stored = optuna.load_study(study_name=name, storage=storage)
        # All of it is needed after the copy is gone.
        kept = optuna.create_study(direction=stored.direction)
        kept.add_trials([trial for trial in stored.get_trials() if trial.state.is_finished()])
    return kept


def _history(name: str, study: Any, monitor: str) -> list[Block]:
    from optuna.study import StudyDirection
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False)
    done = [(trial.number, trial.value) for trial in trials if trial.state is TrialState.COMPLETE]
    finished = [(number, value) for number, value in done if value is not None]
    if not finished:
        return [Text(f"{name}: no trial of the search has finished.", "note")]
    pruned = [
        (trial.number, trial.intermediate_values[max(trial.intermediate_values)])
        for trial in trials
        if trial.state is TrialState.PRUNED and trial.intermediate_values
    ]
    best, sign = [], -1 if study.direction is StudyDirection.MAXIMIZE else 1
    for place, value in finished:
        best.append((place, value if not best or sign * value < sign * best[-1][1] else best[-1][1]))
    failed = sum(trial.state is TrialState.FAIL for trial in trials)
    words = f"{several(len(finished), 'finished trial')}, {len(pruned)} pruned, {failed} failed"
    text = f"{words}; the best {monitor} is {number(best[-1][1])}, of trial {study.best_trial.number}"
    title = f"{name}: history of the search"
    return [Picture(title, data_uri(_figure(finished, pruned, best, monitor)), text, f"{text}.")]


def _figure(
    finished: Sequence[tuple[int, float]],
    pruned: Sequence[tuple[int, float]],
    best: Sequence[tuple[int, float]],
    monitor: str,
) -> Figure:
    figure = blank(width=WIDTH, height=HEIGHT + 3 * LEGEND_LINE)
    axes = figure.add_subplot()
    tidy(axes)
    values = [value for _, value in (*finished, *pruned) if math.isfinite(value)]
    if min(values) > 0 and max(values) > WIDE * min(values):
        axes.set_yscale("log")
    axes.step(*zip(*best, strict=True), where="post", color=VERMILLION, linewidth=2, label="best so far")
    axes.plot(*zip(*finished, strict=True), "o", color=BLACK, markersize=4, label="finished trial")
    if pruned:
        axes.plot(*zip(*pruned, strict=True), "x", color=GREY, markersize=5, label="pruned, at its last score")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, min_n_ticks=1))
    name_axes(axes, x="trial", y=monitor)
    legend(figure, axes)
    return figure


def _importances(name: str, study: Any) -> list[Block]:
    from optuna.trial import TrialState

    finished = len(study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)))
    if finished < FEWEST:
        return [Text(f"{name}: {several(finished, 'finished trial')}, too few for importances ({FEWEST}).", "note")]
    if find_spec("sklearn") is None:
        return [Text(f"{name}: importances need scikit-learn: {how_to_install('search')}", "note")]
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))
    chosen = study.best_params
    rows = [
        Row((option, rounded(str(chosen.get(option, "-"))), decimals(share).lstrip("+")))
        for option, share in found.items()
    ]
    return [
        Table(
            f"{name}: importance of what was searched",
            ("option", "in the best trial", "importance"),
            rows,
            words=2,
            note=NOTE,
        )
    ]

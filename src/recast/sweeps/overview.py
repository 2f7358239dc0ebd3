"""The states of a sweep's jobs, as a table."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

from rich.console import Group
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from recast.errors import ConfigurationError
from recast.scoring.metrics.description import Description, ranking
from recast.sweeps.job_folder import JobFolder, State, read_json
from recast.sweeps.plan import read_jobs
from recast.sweeps.queue import has_queue, states_of, submission_of
from recast.sweeps.waiting import names_waiting

_WAITING = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "CONFIGURING")


LONGEST_REASON = 160  # characters; all of it is in failure.json

STYLES = {
    State.FINISHED: "green",
    State.RUNNING: "cyan",
    State.QUEUED: "blue",
    State.FAILED: "bold red",
    State.PRUNED: "magenta",
    State.UNFINISHED: "yellow",
    State.MISSING: "dim",
}


@dataclass(frozen=True)
class JobStatus:
    """The status of a job.

    Args:
        name: Its folder's name.
        state: Its state.
        step: Optimiser steps taken; None if unknown. [steps]
        total_steps: Optimiser steps in all. [steps]
        phase: What it is doing.
        scores: Test scores of a finished job, the latest validation scores of another one.
        seconds: How long training took. [s]
        reason: Why it failed, in a line.
    """

    name: str
    state: State
    step: int | None = None
    total_steps: int | None = None
    phase: str = ""
    scores: Mapping[str, float | None] | None = None
    seconds: float | None = None
    reason: str = ""


def status_of(folder: JobFolder, name: str, state: State | None = None) -> JobStatus:
    """The status of a job according to its files.

    Args:
        folder: The job's folder.
        name: Its name.
        state: Its state, if more is known than its files show.
    """
    state = state or folder.state
    if state is State.FINISHED:
        results = folder.read_results() or {}
        metrics = results.get("metrics", {})
        described = {name: Description.from_dict(values) for name, values in metrics.items()}
        first = ranking({name: found for name, found in described.items() if found is not None})
        # The one that ranks is shown.
        test = sorted(results.get("test", {}).items(), key=lambda score: score[0] != first)
        scores = {f"{metric}/test": value for metric, value in test}
        steps = results.get("steps")
        return JobStatus(name, state, steps, steps, scores=scores, seconds=results.get("seconds", {}).get("fit"))
    progress = read_json(folder.progress) or {}
    return JobStatus(
        name,
        state,
        progress.get("step"),
        progress.get("total_steps"),
        phase=str(progress.get("phase", "")) if state is State.RUNNING else "",
        scores=progress.get("monitor"),
        reason=(folder.failure_reason() or "") if state in (State.FAILED, State.PRUNED) else "",
    )


def summary(jobs: Sequence[JobStatus]) -> Text:
    """How many jobs are in each state."""
    text = Text()
    for state, style in STYLES.items():
        count = sum(job.state is state for job in jobs)
        if count:
            text.append(f"{'  ' if text else ''}{count} {state.value}", style=style)
    return text or Text("no jobs")


def overview(jobs: Sequence[JobStatus], *, most: int | None = None) -> Group:
    """A table with a row for each job, and their numbers below.

    Args:
        jobs: The jobs.
        most: Largest number of rows: running and failed jobs first, then the most recently ended; none: all jobs, in
            order.
    """
    shown = list(jobs)
    if most is not None and len(shown) > most:
        first = (State.RUNNING, State.FAILED, State.UNFINISHED, State.QUEUED)
        kept = [job for state in first for job in shown if job.state is state]
        rest = [job for job in reversed(shown) if job not in kept]
        shown = (kept + rest)[:most]
    return Group(_table(shown, brief=most is not None), summary(jobs))


def _table(jobs: Sequence[JobStatus], *, brief: bool) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("job", overflow="fold", ratio=3)
    table.add_column("state")
    table.add_column("progress", width=12)
    table.add_column("steps", justify="right")
    table.add_column("score or reason", ratio=3)
    for job in jobs:
        # A live table must fit the terminal; what is cut off was printed above it, or is in failure.json. Not an option
        # of the column: a long reason would take the width of all others.
        said = Text(
            shorten(job.reason, LONGEST_REASON) if job.reason else score_text(job.scores),
            overflow="ellipsis" if brief else "fold",
            no_wrap=brief,
        )
        steps = "" if job.step is None else f"{job.step}" + (f"/{job.total_steps}" if job.total_steps else "")
        state = job.phase or job.state.value
        table.add_row(escape(job.name), Text(state, style=STYLES[job.state]), _bar(job), steps, said)
    return table


def _bar(job: JobStatus) -> ProgressBar | str:
    if job.state is State.MISSING or job.step is None or not job.total_steps:
        return ""
    return ProgressBar(total=job.total_steps, completed=job.step, width=12)


def score_text(scores: Mapping[str, Any] | None) -> str:
    """The first score, as in `mse/test 0.0123`."""
    for name, value in (scores or {}).items():
        if isinstance(value, int | float) and math.isfinite(value):
            return f"{name} {value:.4g}"
    return ""


def sweep_status(sweep: Path) -> list[JobStatus]:
    """The jobs of a sweep in order, including those never started.

    Args:
        sweep: The folder of the sweep.

    Raises:
        ConfigurationError: if there is no sweep in the folder.
    """
    planned = read_jobs(sweep)
    if not planned:
        raise ConfigurationError(f"{sweep}: there is no sweep in it; give the folder that holds jobs.json")
    folders = {entry["folder"]: JobFolder(sweep / entry["folder"]) for entry in planned}
    numbers = {name: number for name, folder in folders.items() if (number := submission_of(folder)) is not None}
    queued = (states_of(list(numbers.values())) or {}) if numbers and has_queue() else {}
    waiting = names_waiting(sweep)
    return [
        status_of(folder, name, _state(folder, queued.get(numbers.get(name, ""), ""), waits=name in waiting))
        for name, folder in folders.items()
    ]


def _state(folder: JobFolder, in_queue: str, *, waits: bool) -> State:
    state = folder.state
    if waits and state is not State.RUNNING and not state.settled:
        return State.QUEUED
    if state in (State.FINISHED, State.RUNNING) or not in_queue:
        return state
    return State.QUEUED if in_queue in _WAITING else State.RUNNING

"""Reads the files of one run; damaged ones are reported without stopping."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from recast.report.find import Place
from recast.report.groups import canonical, parse
from recast.report.run import Run, mapping
from recast.sweeps.job_folder import JobFolder, State

BEGUN = ("progress.json", "provenance.json", "checkpoints", "metrics.json")
"""Files that a run writes once it has started."""
Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # written in C where PyYAML was built with it: ten times faster


def read(place: Place) -> Run:
    """The run at a place, read from its files."""
    folder = place.folder
    problems: list[str] = []
    results = _json(folder / "metrics.json", problems)
    provenance = _json(folder / "provenance.json", problems)
    state = _state(folder)
    if state is State.FINISHED and not provenance and not any("provenance" in problem for problem in problems):
        problems.append("provenance.json is missing")
    if state is not State.FINISHED:
        results = {}
    listed = _yaml(folder / ".hydra" / "overrides.yaml", problems)
    chosen = _chosen(folder, problems)
    overrides = [str(override) for override in listed] if isinstance(listed, list) else list(place.planned or ())
    return Run(
        name=place.name,
        folder=folder,
        state=state,
        reason=_reason(folder, state),
        problems=tuple(problems),
        overrides=parse(overrides),
        chosen=chosen,
        results=results,
        provenance=provenance,
    )


def _state(folder: Path) -> State:
    if not folder.is_dir():
        return State.MISSING
    job = JobFolder(folder)
    try:
        state = job.state
    except OSError:
        # In a read-only folder it cannot be checked whether the run is active.
        state = State.FINISHED if job.read_results() else State.FAILED if job.failure.exists() else State.UNFINISHED
    # A folder without a configuration is a run that ended before it could write one.
    return State.UNFINISHED if state is State.MISSING and any(folder.iterdir()) else state


def _reason(folder: Path, state: State) -> str:
    if state is State.FAILED:
        lines = (JobFolder(folder).failure_reason() or "failure.json cannot be read").splitlines()
        return lines[0] if lines else "no reason given"
    if state is State.UNFINISHED and not any((folder / name).exists() for name in BEGUN):
        return "has not begun"
    if state is State.UNFINISHED:
        broken = "metrics.json is not whole" if (folder / "metrics.json").exists() else "no metrics.json"
        return f"stopped before its end: {broken}"
    return {State.MISSING: "never started", State.RUNNING: "still running"}.get(state, "")


def _chosen(folder: Path, problems: list[str]) -> dict[str, str]:
    config = mapping(_yaml(folder / "config.yaml", problems))
    hydra = mapping(_yaml(folder / ".hydra" / "hydra.yaml", problems))
    runtime = mapping(mapping(hydra.get("hydra", hydra)).get("runtime"))
    choices = mapping(runtime.get("choices"))
    return {str(key): canonical(value) for key, value in choices.items()} | _flat(config)


def _flat(node: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in node.items():
        key = f"{prefix}{name}"
        # The choice from a group, as in `model`, is known by name; its content would override it.
        flat |= _flat(value, f"{key}.") if isinstance(value, dict) else {key: canonical(value)}
    return flat


def _json(path: Path, problems: list[str]) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        problems.append(f"{path.name} cannot be read: {error}")
        return {}
    if not isinstance(found, dict):
        problems.append(f"{path.name} holds a {type(found).__name__}, expected names and values")
        return {}
    return found


def _yaml(path: Path, problems: list[str]) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader)  # noqa: S506 a safe loader, both of them
    except FileNotFoundError:
        return None
    except (OSError, ValueError, yaml.YAMLError) as error:
        problems.append(f"{path.name} cannot be read: {' '.join(str(error).split())}")
        return None

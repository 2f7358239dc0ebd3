"""Finds the runs in the folders of a report."""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recast.errors import DataError
from recast.sweeps.plan import NAME as PLAN
from recast.sweeps.plan import REFITS

RUN_FILES = ("metrics.json", "config.yaml", "failure.json", "progress.json", ".hydra/overrides.yaml")
"""A folder with one of these is a run."""


@dataclass(frozen=True)
class Place:
    """The location of an existing or planned run.

    Args:
        folder: Its folder.
        name: Its name.
        planned: Its overrides by the plan of its sweep; None for a run in no plan.
    """

    folder: Path
    name: str
    planned: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Found:
    """The contents of the folders.

    Args:
        places: Existing and planned runs, without duplicates.
        problems: Problems with the folders as a whole, a line each.
    """

    places: tuple[Place, ...]
    problems: tuple[str, ...]


def find(folders: Sequence[Path]) -> Found:
    """All runs of run folders, sweep folders, and folders of such.

    Args:
        folders: The folders to search.

    Raises:
        DataError: if one of them is not a folder or holds no run.
    """
    places: dict[Path, Place] = {}
    problems: list[str] = []
    for folder in folders:
        if not folder.is_dir():
            raise DataError(f"{folder}: no such folder; expected the folder of a run or of a sweep")
        found = list(_walk(folder, folder, problems))
        if not found:
            raise DataError(
                f"{folder}: no run in it: no folder below holds {', '.join(RUN_FILES)}, and there is no {PLAN}; "
                "give the folder that recast-train printed, or one above it"
            )
        for place in found:
            known = places.get(place.folder.resolve())
            if known is None or known.planned is None:
                places[place.folder.resolve()] = place
    return Found(_told_apart(list(places.values()), folders), tuple(problems))


def _walk(folder: Path, root: Path, problems: list[str]) -> Iterator[Place]:
    planned: set[Path] = set()
    if (folder / PLAN).exists():
        for entry in _plan(folder, problems):
            place = folder / str(entry["folder"])
            overrides: tuple[str, ...] | None = tuple(map(str, entry.get("overrides") or ()))
            if place.parent.name == REFITS:
                # What they are put together to is the run.
                place, overrides = place.parents[1], None
            planned.add(place)
            yield Place(place, _name(place, root), overrides)
    elif _is_run(folder):
        yield Place(folder, _name(folder, root))
        return
    for inner in sorted(os.scandir(folder), key=lambda entry: entry.name):
        path = folder / inner.name
        if inner.is_dir(follow_symlinks=False) and not inner.name.startswith(".") and path not in planned:
            yield from _walk(path, root, problems)


def _is_run(folder: Path) -> bool:
    return any((folder / name).exists() for name in RUN_FILES)


def _plan(folder: Path, problems: list[str]) -> Sequence[Mapping[str, Any]]:
    path = folder / PLAN
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        good = [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("folder"), str)]
    except (OSError, ValueError, TypeError) as error:
        problems.append(f"{path}: cannot be read, so that jobs never started are not known: {_first_line(error)}")
        return []
    if len(good) < len(entries):
        problems.append(f"{path}: {len(entries) - len(good)} entries name no folder; they are left out")
    return good


def _name(folder: Path, root: Path) -> str:
    inside = folder.relative_to(root).as_posix()
    return (root.resolve().name or str(root)) if inside == "." else inside


def _told_apart(places: list[Place], folders: Sequence[Path]) -> tuple[Place, ...]:
    """The places, with the full path as name where a name is not unique."""
    names = [place.name for place in places]
    if len(folders) == 1 or len(set(names)) == len(names):
        return tuple(places)
    return tuple(Place(place.folder, place.folder.as_posix(), place.planned) for place in places)


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]

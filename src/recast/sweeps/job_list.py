"""The list of a sweep's jobs, so that those never started can be told from those never asked for."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from recast.system.files import write_json

NAME = "jobs.json"


def add_jobs(sweep: Path, jobs: Iterable[dict[str, Any]]) -> None:
    """Adds jobs to the list; one with a folder that is listed already takes its place.

    Args:
        sweep: The folder of the sweep.
        jobs: For each `folder`, relative to that of the sweep, `overrides`, and `swept`, value by key.
    """
    listed = {job["folder"]: job for job in (*read_jobs(sweep), *jobs)}
    write_json(sweep / NAME, list(listed.values()))


def read_jobs(sweep: Path) -> list[dict[str, Any]]:
    """The jobs as `add_jobs` takes them; none where the folder holds no sweep."""
    path = sweep / NAME
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []

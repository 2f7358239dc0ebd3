"""The plan of a sweep: each job's checked configuration and its folder, found again when the sweep is repeated."""

import copy
import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, open_dict, read_write

from recast.errors import ConfigurationError, InputError
from recast.runs.configure.check import accepted
from recast.runs.configure.compose import plain
from recast.runs.configure.training_options import TrainOptions
from recast.runs.rehearsal import Rehearsal
from recast.sweeps.job_folder import JobFolder
from recast.system.files import write_json

LONGEST = 100  # characters of a folder's name; file systems take 255, people fewer
DIGITS = 8  # characters up to which a number is shown in full
_STRANGE = re.compile(r"[^\w.+-]+")


def swept(overrides: Sequence[str], given: Sequence[str], hidden: Sequence[str] = ()) -> dict[str, str]:
    """The swept overrides of a job, value by key: those not given identically for the whole sweep.

    Args:
        overrides: The job's, as in `model/cell=gru`.
        given: The sweep's, as on the command line, as in `model/cell=rnn,gru`.
        hidden: Keys to ignore, besides `resume`, which says how a sweep is run, not what is in it.
    """
    same = _as_sweepers_write_it(tuple(given))
    pairs = (override.lstrip("+").partition("=") for override in overrides if override not in same)
    return {key: value for key, _, value in pairs if key not in {*hidden, "resume"}}


@lru_cache(maxsize=1)
def _as_sweepers_write_it(given: tuple[str, ...]) -> set[str]:
    """What was given, and the same with each value in Hydra's own form, such as True for true."""
    parsed = OverridesParser.create().parse_overrides(list(given))
    ones = (one for one in parsed if not one.is_sweep_override())
    return {*given, *(f"{one.get_key_element()}={one.get_value_element_as_str()}" for one in ones)}


def job_name(options: Mapping[str, str], keys: Sequence[str]) -> str:
    """A folder's name, as in `cell-gru_seed-0`: legal in a shell, in a path, and in an override.

    Args:
        options: What is swept, value by key.
        keys: All swept keys, so that two with the same last word are distinguished.
    """
    exact = "_".join(f"{_short(key, keys)}-{value}" for key, value in options.items()) or "run"
    shown = "_".join(f"{_short(key, keys)}-{_rounded(value)}" for key, value in options.items()) or "run"
    name = _STRANGE.sub("-", shown).strip("-.")
    if len(name) > LONGEST or not name:
        name = f"{name[: LONGEST - 9] or 'job'}-{digest(exact)}"
    return name


def digest(text: str) -> str:
    """An eight-character hash of a text."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _short(key: str, keys: Sequence[str]) -> str:
    """The last words of a key that no other key ends in."""
    words = re.split(r"[./]", key)
    for count in range(1, len(words)):
        tail = words[-count:]
        if sum(re.split(r"[./]", other)[-count:] == tail for other in keys) <= 1:
            return ".".join(tail)
    return ".".join(words)


def _rounded(value: str) -> str:
    """A number rounded for readability; anything else unchanged, without quotes."""
    value = value.strip("'\"")
    try:
        return f"{float(value):.4g}" if len(value) > DIGITS else value
    except ValueError:
        return value


NAME = "jobs.json"
REFITS = "refits"
"""In a backtest, the folder of the refits, within that of the run that they are put together to."""


def add_jobs(sweep: Path, jobs: Iterable[dict[str, Any]]) -> None:
    """Adds jobs to the list, replacing those with the same folder.

    Args:
        sweep: The folder of the sweep.
        jobs: For each `folder`, relative to that of the sweep, `overrides`, and `swept`, value by key.
    """
    listed = {job["folder"]: job for job in (*read_jobs(sweep), *jobs)}
    write_json(sweep / NAME, list(listed.values()))


def read_jobs(sweep: Path) -> list[dict[str, Any]]:
    """The jobs as `add_jobs` takes them; none if the folder holds no sweep."""
    path = sweep / NAME
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


@dataclass(frozen=True)
class Job:
    """One job of a sweep.

    Args:
        number: Its number in the sweep, from 0.
        overrides: As on the command line.
        swept: Those that differ from job to job, value by key.
        composed: Its configuration as Hydra composes it, with the node `hydra`.
        config: Its configuration in plain containers.
        subdir: The requested folder name; none: derived from the swept options.
    """

    number: int
    overrides: tuple[str, ...]
    swept: dict[str, str]
    composed: DictConfig
    config: dict[str, Any]
    subdir: str | None = None

    @property
    def title(self) -> str:
        """Its name in messages."""
        return f"job {self.number} ({' '.join(f'{key}={value}' for key, value in self.swept.items()) or 'no sweep'})"


def plain_config(composed: DictConfig) -> dict[str, Any]:
    """The configuration of a job in plain containers, as it is frozen in the job's folder."""
    return plain(without_hydra(composed))


def without_hydra(composed: DictConfig) -> DictConfig:
    """A configuration as the job sees it."""
    job = copy.deepcopy(composed)
    with read_write(job), open_dict(job):
        del job["hydra"]
    return job


def check_jobs(jobs: Sequence[Job], check_launch: Callable[[dict[str, Any]], None]) -> None:
    """Checks and dry-runs every job, so that none is started if one cannot run.

    Args:
        jobs: The jobs.
        check_launch: Raises ConfigurationError for the configuration of a job that the launcher cannot start.

    Raises:
        ConfigurationError: if options of some jobs are wrong; each problem is reported once, with its jobs.
    """
    problems: dict[str, list[Job]] = defaultdict(list)
    rehearsal = Rehearsal()
    for job in jobs:
        try:
            with accepted(job.config, TrainOptions):
                check_launch(job.config)
                rehearsal.rehearse(job.config)
        except InputError as error:
            problems[str(error)].append(job)
    if problems:
        told = "\n".join(f"{_titles(which)}: {problem}" for problem, which in problems.items())
        count = len({job.number for which in problems.values() for job in which})
        raise ConfigurationError(f"{count} of {len(jobs)} jobs cannot run, so none is started\n{told}")


def place_jobs(jobs: Sequence[Job], sweep: Path) -> dict[int, JobFolder]:
    """The folder of each job, by its number: the existing one with its configuration, or a new one.

    Args:
        jobs: The jobs.
        sweep: The folder of the sweep.
    """
    taken = {
        folder: _identity(config) for folder in _job_folders(sweep) if (config := folder.read_config()) is not None
    }
    keys = sorted({key for job in jobs for key in job.swept})
    placed: dict[int, JobFolder] = {}
    for job in jobs:
        wanted = _identity(job.config)
        found = next((folder for folder, identity in taken.items() if identity == wanted), None)
        if found is None:
            name = job.subdir or job_name(job.swept, keys)
            found = JobFolder(sweep / name)
            if found in taken:
                # Another configuration with the same name: a default has changed, or a word was truncated.
                found = JobFolder(sweep / f"{name}-{digest(repr(wanted))}")
        taken[found] = wanted
        placed[job.number] = found
    return placed


def _job_folders(sweep: Path) -> list[JobFolder]:
    return [JobFolder(path.parent) for path in sorted(sweep.rglob("config.yaml")) if path.parent.name != ".hydra"]


def _identity(config: dict[str, Any]) -> dict[str, Any]:
    """What makes two jobs the same."""
    return {key: value for key, value in config.items() if key != "resume"}


def _titles(jobs: Sequence[Job], most: int = 3) -> str:
    text = ", ".join(job.title for job in jobs[:most])
    return text if len(jobs) <= most else f"{text} and {len(jobs) - most} more"

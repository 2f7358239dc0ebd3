"""What has become of every job of a sweep: its list, its folders, and the cluster's queue where there is one."""

from pathlib import Path

from recast.errors import ConfigurationError
from recast.sweeps.job_folder import JobFolder, State
from recast.sweeps.job_list import read_jobs
from recast.sweeps.overview import JobStatus, status_of
from recast.sweeps.queue import has_queue, states_of, submission_of

_WAITING = ("PENDING", "REQUEUED", "REQUEUE_HOLD", "CONFIGURING")


def sweep_status(sweep: Path) -> list[JobStatus]:
    """The jobs of a sweep in its order, also those that were never started.

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
    return [
        status_of(folder, name, _state(folder, queued.get(numbers.get(name, ""), "")))
        for name, folder in folders.items()
    ]


def _state(folder: JobFolder, in_queue: str) -> State:
    state = folder.state
    if state in (State.FINISHED, State.RUNNING) or not in_queue:
        return state
    return State.QUEUED if in_queue in _WAITING else State.RUNNING

"""The last lines of a sweep: its best runs, and the commands that show all of them."""

import sys
from pathlib import Path

from recast.runs.hyperparameters import hints
from recast.sweeps.job_folder import JobFolder
from recast.sweeps.overview import score_text, status_of
from recast.sweeps.plan import read_jobs

BEST = 3  # runs


def conclusion(sweep: Path) -> list[str]:
    """The lines; none for a sweep of which no job is finished.

    Runs are ranked by the validation score that chose their best states, never by a test score: the best of many by
    that would look better than it is.

    Args:
        sweep: The folder of the sweep.
    """
    folders = {entry["folder"]: JobFolder(sweep / entry["folder"]) for entry in read_jobs(sweep)}
    results = {name: found for name, folder in folders.items() if (found := folder.read_results()) is not None}
    if not results:
        return []
    config = folders[next(iter(results))].read_config() or {}
    return [
        *_best(folders, {name: found.get("selection") or {} for name, found in results.items()}),
        f"report:      {Path(sys.executable).parent / 'recast-report'} {sweep}",
        *(hints(config, sweep, many=True) if "logger" in config else []),
    ]


def _best(folders: dict[str, JobFolder], selections: dict[str, dict[str, object]]) -> list[str]:
    """The runs with the best validation scores, where all were chosen by the same curve."""
    by = {(str(found.get("monitor")), str(found.get("mode"))) for found in selections.values()}
    scores = {
        name: float(value) for name, found in selections.items() if isinstance(value := found.get("value"), int | float)
    }
    if len(by) != 1 or len(scores) < 2:
        return []
    ((monitor, mode),) = by
    ranked = sorted(scores, key=lambda name: scores[name], reverse=mode == "max")[:BEST]
    width = max(map(len, ranked))
    return [
        f"best by {monitor}:",
        *(
            f"  {name:{width}}  {scores[name]:.4g}  ({score_text(status_of(folders[name], name).scores)})"
            for name in ranked
        ),
    ]

"""recast-status: the state of each job of a sweep."""

import argparse
import time
from pathlib import Path

from recast.cli.application import guarded

EVERY = 2.0  # seconds between two looks
LOOKS = 3  # in a row without a job in work, as between two jobs, end the watch


def show(sweep: Path, *, watch: bool) -> None:
    """Prints the jobs; with `watch`, repeatedly until none is queued or running.

    Args:
        sweep: The folder of the sweep.
        watch: Whether to keep updating.
    """
    from rich.console import Console
    from rich.live import Live

    from recast.sweeps.job_folder import State
    from recast.sweeps.overview import overview, sweep_status

    console = Console()
    jobs = sweep_status(sweep)
    if not watch:
        console.print(overview(jobs))
        return
    with Live(console=console, auto_refresh=False) as live:
        idle = 0
        while True:
            live.update(overview(jobs, most=max(console.height - 4, 5)), refresh=True)
            idle = 0 if any(job.state in (State.RUNNING, State.QUEUED) for job in jobs) else idle + 1
            if idle == LOOKS or all(job.state.settled for job in jobs):
                return
            time.sleep(EVERY)
            jobs = sweep_status(sweep)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="recast-status",
        description="Shows the jobs of a sweep: finished, running, queued, failed and why, missing.",
    )
    parser.add_argument("folder", type=Path, help="folder of the sweep: hydra.sweep.dir, or multirun/DATE/TIME")
    parser.add_argument("--watch", action="store_true", help="stay and show progress until no job is queued or running")
    given = parser.parse_args()
    guarded(lambda: show(given.folder, watch=given.watch), "train")


if __name__ == "__main__":
    main()

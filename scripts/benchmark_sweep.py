"""Throughput of a sweep, measured: side by side, one after the other, and as commands of their own.

    python scripts/benchmark_sweep.py [--jobs 8] [--epochs 4] [--rows 4000] [--hidden 32] [--rounds 3]

The same jobs (a GRU on an AR(2) series, one seed each, one thread each) are run in three ways in turn, in as many
rounds, so that whatever else the machine does meets all of them: by `hydra/launcher=local`, by Hydra's own
`hydra/launcher=basic`, and as one `recast-train` after the other. All that a user waits for is timed, starting Python
among it. Before anything is reported, the test scores of all ways are compared: they must be equal. Reported are jobs
per hour: median and range over the rounds.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

COMMAND = Path(sys.executable).parent / "recast-train"
LOCAL, BASIC, COMMANDS = "hydra/launcher=local", "hydra/launcher=basic", "recast-train, one after the other"


def run(*arguments: str, cwd: Path) -> None:
    """A recast-train that must succeed."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [str(COMMAND), *arguments], cwd=cwd, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"recast-train {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")


def seconds(way: str, options: list[str], jobs: int, cwd: Path) -> float:
    """Wall time of all jobs."""
    started = time.perf_counter()
    if way == COMMANDS:
        for seed in range(jobs):
            run(*options, f"seed={seed}", f"hydra.run.dir=jobs/{seed}", cwd=cwd)
    else:
        run("-m", *options, f"seed={','.join(map(str, range(jobs)))}", way, "hydra.sweep.dir=jobs", cwd=cwd)
    return time.perf_counter() - started


def scores(cwd: Path) -> dict[int, dict[str, float]]:
    """The test scores by seed."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in cwd.glob("jobs/*/metrics.json")]
    return {results["seed"]: results["test"] for results in found}


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("jobs", 8), ("epochs", 4), ("rows", 4000), ("hidden", 32), ("rounds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    given = parser.parse_args()
    options = [
        "data=ar2",
        f"data.source.rows={given.rows}",
        f"model.cell.hidden_size={given.hidden}",
        f"trainer.max_epochs={given.epochs}",
        "trainer.log_every_n_steps=50",
        "callbacks.progress_bar=null",
        "threads=1",
    ]
    taken: dict[str, list[float]] = {LOCAL: [], BASIC: [], COMMANDS: []}
    ways = list(taken)
    reference = None
    with tempfile.TemporaryDirectory(prefix="recast-benchmark-") as place:
        for number in range(given.rounds):
            # Each way is first in turn: none always meets a cold disk, or a warm processor.
            for way in ways[number % len(ways) :] + ways[: number % len(ways)]:
                cwd = Path(place) / f"{number}-{ways.index(way)}"
                cwd.mkdir()
                taken[way].append(seconds(way, options, given.jobs, cwd))
                found = scores(cwd)
                reference = reference or found
                if len(found) != given.jobs or found != reference:
                    raise RuntimeError(f"{way}: other results than {ways[0]}: {found} and {reference}")
    console = Console()
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    console.print(
        f"{given.jobs} jobs (GRU of {given.hidden} units, {given.rows} rows, {given.epochs} epochs) in each way, "
        f"{given.rounds} rounds, {cores} cores, load {load:.1f} at the end; all test scores are equal"
    )
    table = Table(box=None)
    for column in ("", "jobs per hour", "range", "speed-up"):
        table.add_column(column, justify="left" if not column else "right")
    slowest = statistics.median(taken[COMMANDS])
    for way, times in taken.items():
        rates = sorted(3600 * given.jobs / second for second in times)
        speed_up = f"{slowest / statistics.median(times):.2f}"
        table.add_row(way, f"{statistics.median(rates):.0f}", f"{rates[0]:.0f} to {rates[-1]:.0f}", speed_up)
    console.print(table)


if __name__ == "__main__":
    main()

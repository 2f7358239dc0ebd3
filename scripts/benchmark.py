"""recast, measured: speed, memory, start-up, and time to quality.

    python scripts/benchmark.py [--quick] [--only SECTION ...] [--output FILE.json]

On two idle cores --quick takes less than 3 minutes, all of it less than 30. Each section runs in a process of its own,
prints its tables, and is in the JSON file as soon as it is done. What is compared has its turn in each of several
rounds; ratios are those within a round, medians over the rounds are shown, and ranges. A busy machine falsifies them,
above all those of two threads.

The work, unless a table says otherwise: windows of 800 rows read and 100 forecast of one series, encoder and decoder of
64 units, batches of 32, float32, CPU. The naive loop, which all is compared with, is nn.GRU over the context, then
nn.GRU on one step and nn.Linear for each step of the horizon.

Sections:

- training: windows a second of whole steps, by cell and teacher forcing, one and two threads, by recast's
  implementations of recurrences, by the naive loop, and by one call of torch where the truth is always fed; before
  anything is timed, losses and gradients are compared in float64;
- inference: the same for free-running forecasts;
- cells: passes over the context of cells beyond torch's, against their steps one by one;
- memory: growth of the resident set in a training step;
- peak: the share of the processor's multiply-adds that a training step uses;
- data: windows a second of the loader, and its share of a step;
- overhead: milliseconds a step in recast-train's trainer, and in a bare loop;
- start-up: seconds to recast-train's help, and to its first training step;
- long: a series of a million rows, from the data read to the first training step;
- quality: seconds until recast's recipe is as good as that of the notebook after ten epochs of the naive loop.
"""

import argparse
import importlib.metadata
import json
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

from bench.process import call
from measuring.machine import machine
from rich.console import Console

SECTIONS = {
    "training": "training",
    "inference": "inference",
    "cells": "cells",
    "memory": "memory",
    "peak": "peak",
    "data": "data",
    "overhead": "overhead",
    "start-up": "start_up",
    "long": "long_series",
    "quality": "quality",
}
"""Name of each section and its module in `bench`."""
BUSY = 0.5
"""Load beyond which the machine is not idle."""
PACKAGES = ("recast", "torch", "numba", "numpy", "lightning")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", dest="mode", action="store_const", const="quick", default="full")
    parser.add_argument("--only", nargs="+", choices=SECTIONS, metavar="SECTION", help=f"of {', '.join(SECTIONS)}")
    parser.add_argument("--output", type=Path, default=Path("outputs/benchmark.json"), help="(%(default)s)")
    # For the tests: sizes that measure nothing.
    parser.add_argument("--tiny", dest="mode", action="store_const", const="tiny", help=argparse.SUPPRESS)
    return parser.parse_args()


def facts(mode: str) -> dict[str, Any]:
    """When, where and with what it is measured."""
    return {
        "time": datetime.now().astimezone().isoformat(timespec="seconds"),
        "mode": mode,
        "machine": machine(),
        "versions": {name: _version(name) for name in PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def main() -> None:
    """Measures, prints, writes; ends with 1 where a section failed."""
    given = arguments()
    console = Console(highlight=False, soft_wrap=True)
    report = facts(given.mode) | {"seconds": {}, "sections": {}, "failed": {}}
    place, versions = report["machine"], report["versions"]
    console.print(
        f"{place['processor']}, {place['cores']} cores, load {place['load']:.1f}; Python {place['python']}, "
        + ", ".join(f"{name} {version or 'absent'}" for name, version in versions.items())
    )
    if place["load"] > BUSY:
        console.print(f"[bold]The machine is busy: its load is {place['load']:.1f}. Do not trust what follows.[/bold]")
    console.print()
    given.output.parent.mkdir(parents=True, exist_ok=True)
    for name in given.only or SECTIONS:
        started = time.perf_counter()
        try:
            report["sections"][name] = call("bench.section:run", module=SECTIONS[name], mode=given.mode)
        except RuntimeError as error:
            report["failed"][name] = str(error)
            console.print(f"{name}: failed: {error}", markup=False)
        report["seconds"][name] = time.perf_counter() - started
        given.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    console.print(f"{sum(report['seconds'].values()):.0f} s; all numbers: {given.output}")
    if report["failed"]:
        sys.exit(1)


if __name__ == "__main__":
    main()

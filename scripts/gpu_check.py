"""Whether recast does on a GPU what it does on a CPU, and how fast: one command of at most eight minutes on one card.

    python scripts/gpu_check.py [--only GROUP ...] [--output gpu_check.json]

Each check runs in a process of its own, with a time limit, so that one that fails or hangs costs no other; each is in
the JSON file as soon as it is done. Exit code 0: all passed; 1: one failed, or there was no time left for it.

- loops: training steps by the naive loop, by torch's layers with a loop over steps, by recast's own backward pass and
  by CUDA graphs, from equal weights, in float64; several batches and sizes, two forward passes before a backward pass;
- cells: every cell over a sequence, values and gradients against the CPU in float64, float32 and bfloat16;
- forms: every form of model on a batch, likewise;
- resume: a run that is killed and resumed against one that is not;
- ddp: one process against one and several under DistributedDataParallel (NCCL);
- memory: MiB of a training step at its peak;
- speed: windows a second of training steps, 800 rows read and 100 forecast, GRU of 64 units.

Without a GPU it rehearses on the CPU, in small: every line runs but those of the device, and the table says that the
device is untested.
"""

import argparse
import json
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from bench.process import call_within
from gpu.checks import FULL, GROUPS, REHEARSAL, Check, checks
from gpu.device import cards, described
from measuring.machine import machine
from rich.console import Console
from rich.table import Table

BUDGET = 8 * 60
"""Seconds that all checks may take together; what is left then is not begun."""
UNTESTED = "no GPU here: this was a rehearsal on the CPU; the device is untested"


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=GROUPS, metavar="GROUP", help=f"of {', '.join(GROUPS)}")
    parser.add_argument("--output", type=Path, default=Path("outputs/gpu_check.json"), help="(%(default)s)")
    parser.add_argument("--rehearsal", action="store_true", help="on the CPU, though there is a GPU")
    return parser.parse_args()


def outcome(check: Check, device: str, seconds: float) -> dict[str, Any]:
    """What became of a check: "passed", "failed" or "no time left", with what it found or why.

    Args:
        check: The check.
        device: "cuda" or "cpu".
        seconds: That are left for it. [s]
    """
    facts: dict[str, Any] = {"group": check.group, "name": check.name}
    if seconds < 1:
        return facts | {"outcome": "no time left"}
    began = time.perf_counter()
    # Deterministic products of matrices need a workspace of a fixed size.
    variables = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
    if device == "cpu":
        variables |= {"OMP_NUM_THREADS": "1"}
    try:
        limit = min(check.seconds, seconds)
        found = call_within(limit, variables, check.function, device=device, **check.options)
    except (RuntimeError, TimeoutError) as error:
        facts |= {"outcome": "failed", "why": str(error)}
    else:
        facts |= {"outcome": "passed", "found": found}
    return facts | {"seconds": round(time.perf_counter() - began, 1)}


def table(results: list[dict[str, Any]]) -> Table:
    """A row for each check."""
    shown = Table(box=None, pad_edge=False)
    for heading in ("check", "", "outcome", "s", "found"):
        shown.add_column(heading, justify="right" if heading == "s" else "left", overflow="fold")
    for result in results:
        found = result.get("found", {})
        words = result.get("why") or ", ".join(f"{name} {_short(value)}" for name, value in found.items())
        seconds = f"{result['seconds']:.0f}" if "seconds" in result else ""
        shown.add_row(result["group"], result["name"], result["outcome"], seconds, words)
    return shown


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name}={_short(part)}" for name, part in value.items())
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"


def main() -> None:
    """Checks, prints, writes; ends with 1 where a check did not pass."""
    given = arguments()
    console = Console(highlight=False)
    device = "cuda" if torch.cuda.is_available() and not given.rehearsal else "cpu"
    facts = {
        "time": datetime.now().astimezone().isoformat(timespec="seconds"),
        "device": described(device),
        "cards": cards(device) if device == "cuda" else 0,
        "tested": device == "cuda",
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if device == "cuda" else None,
        "machine": machine(),
    }
    console.print(f"{facts['device']}; torch {facts['torch']}, CUDA {facts['cuda']}, cuDNN {facts['cudnn']}")
    given.output.parent.mkdir(parents=True, exist_ok=True)
    results: list[dict[str, Any]] = []
    until = time.perf_counter() + BUDGET
    for check in checks(device, FULL if device == "cuda" else REHEARSAL):
        if given.only and check.group not in given.only:
            continue
        results.append(outcome(check, device, until - time.perf_counter()))
        console.print(f"{check.group}: {check.name}: {results[-1]['outcome']}")
        aside = given.output.with_name(f"{given.output.name}.new")
        aside.write_text(json.dumps(facts | {"checks": results}, indent=1), encoding="utf-8")
        aside.replace(given.output)
    console.print("", table(results), "")
    missed = [result for result in results if result["outcome"] != "passed"]
    console.print(f"{len(results) - len(missed)} of {len(results)} checks passed; {given.output}")
    if device == "cpu":
        console.print(UNTESTED)
    sys.exit(1 if missed else 0)


if __name__ == "__main__":
    main()

"""Runs experiments over several seeds and tabulates what they measured: the figures in conf/experiment/*.yaml.

    python scripts/experiments.py stock_rnn sines_next --seeds 0 1 2 --output experiments

Each run is the command `recast-train experiment=NAME seed=SEED`, then `recast-evaluate` on its validation part, if it
has one. Runs that are complete are not done again. Words with "=" are options of recast-train for all of them.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


def main() -> int:
    """The command; its exit status is 1 where a run failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiments", nargs="+", help="names of experiments, and options of recast-train")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--metric", default="mse", help="the metric that is tabulated")
    parser.add_argument("--output", type=Path, default=Path("experiments"), help="folder of the run folders")
    arguments = parser.parse_intermixed_args()
    options = [word for word in arguments.experiments if "=" in word]
    names = [word for word in arguments.experiments if "=" not in word]
    failed = False
    table = Table(title=f"{arguments.metric}; seeds {' '.join(map(str, arguments.seeds))}")
    for heading in ("experiment", "validation", "test", "test: mean ± sd", "best baseline", "seconds"):
        table.add_column(heading, justify="left" if heading == "experiment" else "right")
    for name in names:
        runs = []
        for seed in arguments.seeds:
            folder = arguments.output / name / str(seed)
            run = measure(name, seed, options, folder, arguments.metric)
            failed |= run is None
            if run is not None:
                runs.append(run)
                print(json.dumps({"experiment": name, "seed": seed, **run}), flush=True)
        if runs:
            table.add_row(name, *summary(runs))
    Console(width=140).print(table)
    return int(failed)


def measure(name: str, seed: int, options: list[str], folder: Path, metric: str) -> dict[str, Any] | None:
    """Validation and test error of one run, its best baseline's, and the seconds of training; None if it failed."""
    if not (folder / "metrics.json").exists():
        command = [f"experiment={name}", f"seed={seed}", *options, f"hydra.run.dir={folder}"]
        resume = ["resume=true"] if (folder / "checkpoints" / "last.ckpt").exists() else []
        if not succeeds("recast.cli.train", *command, *resume, "callbacks.progress_bar=null"):
            return None
    results = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    run = {"test": results["test"][metric], "seconds": results["seconds"]["fit"], "validation": None}
    baselines = {forecaster: scores[metric] for forecaster, scores in results["baselines"].items() if metric in scores}
    best = min(baselines, key=baselines.__getitem__, default=None)
    run["baseline"] = f"{best} {baselines[best]:.4g}" if best else ""
    if results["windows"]["validation"]:
        output = folder / "validation"
        if not (output / "metrics.json").exists():
            checkpoint = f"checkpoint={folder / results['checkpoint']}"
            if not succeeds("recast.cli.evaluate", checkpoint, "split=validation", f"output={output}"):
                return None
        scored = json.loads((output / "metrics.json").read_text(encoding="utf-8"))
        run["validation"] = scored["validation"][metric]
    return run


def succeeds(module: str, *arguments: str) -> bool:
    """Whether a command of recast ends well; its words are shown where it does not."""
    done = subprocess.run([sys.executable, "-m", module, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stdout[-2000:], done.stderr[-2000:], file=sys.stderr, sep="\n", flush=True)
    return done.returncode == 0


def summary(runs: list[dict[str, Any]]) -> list[str]:
    """A row of the table."""
    tests = [run["test"] for run in runs]
    spread = f" ± {statistics.stdev(tests):.2g}" if len(tests) > 1 else ""
    validations = [run["validation"] for run in runs if run["validation"] is not None]
    return [
        " ".join(f"{value:.4g}" for value in validations),
        " ".join(f"{value:.4g}" for value in tests),
        f"{statistics.mean(tests):.4g}{spread}",
        runs[0]["baseline"],
        f"{statistics.median(run['seconds'] for run in runs):.0f}",
    ]


if __name__ == "__main__":
    sys.exit(main())

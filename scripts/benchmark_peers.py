"""recast beside other libraries at the same work, and beside the loop that one writes first.

    python scripts/benchmark_peers.py [--quick] [--only recast darts ...] [--output FILE.json]

The libraries come with `pip install -e '.[peers]'`, best into an environment of its own: they bring some 60 packages.
What is not installed is left out; where something fails, the script says so and ends with 1. On one idle core --quick
takes less than 5 minutes (fewer and shorter rounds, one model of each library), all of it less than 30.

The work: 25,600 rows of a simulated tide, 10 minutes apart (scripts/peers/series.py), 83 per cent to train on, the last
17 to test; windows of 800 rows read and 100 forecast, one recurrent layer of 64 units, batches of 32 windows, Adam,
float32, CPU, one thread. All libraries get the same series, standardised by its training rows. Each measurement is a
process of its own; the rows of the table take turns, in several rounds. Each library trains and predicts by its public
ways, with the progress bar, logs and checkpoints that it has by default, in a folder that is thrown away. Nothing is
held back for validation. Measured are:

- training: windows a second from the end of the third batch on, all that happens between batches included;
- inference: windows a second through the library's own prediction, of every 4th test window (--quick: 16th);
- start-up: seconds from the start of the process to the end of the first training step;
- memory: peak of the resident set of the process;
- quality: seconds of training until the free-running forecasts of every 16th test window (--quick: 64th) have a mean
  squared error of --quality. (The naive loop on raw metres comes to .0044, .0056 and .0058 m2 in ten epochs, three
  seeds; the least possible is about .0022.) The weights are copied at fixed instants, the budget over powers of the
  square root of 2, and at the end; the forecasts are made afterwards. So the time is one of these instants, at most
  1.41 times too long (there is no such bound for the shortest one). It begins with the first training batch.

Ratios are those to the naive loop of the same round; medians over the rounds are shown, and ranges.

The recipes, each the library's own, as far as the work leaves a choice:

- naive: nn.GRU over the context, then nn.GRU on one step and nn.Linear for each step of the horizon, fed back in
  training, too; MSE, rate 1e-3;
- recast: recast-train's defaults with a GRU and one epoch, as in experiment=ssh_gru model/anchor=last; fed back in
  training, too;
- darts: RNNModel, fed with the truth in training, loss over the whole window; darts-block: BlockRNNModel, which has no
  decoder;
- neuralforecast: GRU with its MLP decoder (the default), neuralforecast-recurrent: fed with the truth in training, loss
  over the horizon; MSE;
- gluonts-deepar: an LSTM with calendar inputs and Student's t likelihood; the forecast is the mean of 100 trajectories;
- pytorch-forecasting: RecurrentNetwork with RMSE, and -deepar: DeepAR with 100 trajectories; fed with the truth in
  training.

Feeding the truth, or having no decoder, is less work for a window; no correction is made for it. The docstrings under
scripts/peers say more. One seed and one series: small differences in time to quality mean nothing.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measuring.machine import machine
from measuring.spread import cell, spread
from peers.rows import NAIVE, ROWS
from peers.series import tide, write
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
QUICK = {"rounds": 2, "seconds": 2.0, "budget": 12.0, "every": 16}
FULL = {"rounds": 3, "seconds": 8.0, "budget": 90.0, "every": 4}
INSTANTS = 12
MEASURES = ("training", "inference")


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"less of everything: {QUICK} instead of {FULL}")
    parser.add_argument(
        "--only", nargs="+", choices=ROWS, metavar="ROW", help=f"of {', '.join(ROWS)}; naive always runs"
    )
    parser.add_argument("--output", type=Path, help="JSON file of all that was measured")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of training in a round")
    parser.add_argument("--budget", type=float, help="seconds of training for --quality; 0: not measured")
    parser.add_argument("--quality", type=float, default=0.0056, help="test MSE to be reached [m2] (%(default)s)")
    parser.add_argument("--limit", type=float, default=900.0, help="seconds that a process may take (%(default)s)")
    for name, default in (("rows", 25_600), ("context", 800), ("horizon", 100), ("hidden", 64), ("batch", 32)):
        parser.add_argument(f"--{name}", type=int, default=default, help="of the work (%(default)s)")
    parser.add_argument("--every", type=int, help="distance between test windows; four times it for --quality [steps]")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for name, default in (QUICK if given.quick else FULL).items():
        if getattr(given, name) is None:
            setattr(given, name, default)
    if given.rounds < 1:
        parser.error("--rounds: at least 1")
    return given


def run_child(job: Path, output: Path, limit: float) -> str | None:
    """Runs a measurement in the job's folder; what went wrong, or None.

    This process imports no library: its peak memory would count as that of those that it starts.
    """
    environment = os.environ | ONE_THREAD | {"PYTHONPATH": str(HERE)}
    command = [sys.executable, "-m", "peers.child", str(job), str(output)]
    try:
        done = subprocess.run(
            command, cwd=job.parent, env=environment, capture_output=True, text=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        return f"took more than {limit:.0f} s"
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return f"ended with {done.returncode}: {last}"
    return None


class Benchmark:
    """The rounds, and what they gave.

    Args:
        given: The command line.
        place: A folder for the series and all that the libraries write.
        console: Where progress is told.
    """

    def __init__(self, given: argparse.Namespace, place: Path, console: Console) -> None:
        self.given = given
        self.place = place
        self.console = console
        self.work = {name: getattr(given, name) for name in ("context", "horizon", "hidden", "batch", "every", "seed")}
        self.work["series"] = str(place / "series.csv")
        chosen = {NAIVE, *given.only} if given.only else set()
        self.results: dict[str, dict[str, Any]] = {
            name: {"rounds": []}
            for name, row in ROWS.items()
            if name in chosen or (not chosen and row.quick >= given.quick)
        }

    def run(self) -> None:
        """All rounds, then the time to quality."""
        given = self.given
        write(tide(given.rows), Path(self.work["series"]))
        for number in range(given.rounds):
            for name in self.able:
                found = self.measure(name, f"round {number + 1} of {given.rounds}", given.seconds, [])
                if found:
                    self.results[name]["rounds"].append(found)
        if given.budget <= 0:
            return
        instants = [given.budget * 2 ** (-back / 2) for back in reversed(range(INSTANTS))]
        for name in self.able:
            found = self.measure(name, "time to quality", given.budget, instants)
            if found:
                self.results[name]["quality"] = found["quality"]

    @property
    def able(self) -> list[str]:
        """The rows that are installed and have not failed."""
        return [name for name, result in self.results.items() if not {"absent", "error"} & result.keys()]

    def measure(self, name: str, what: str, seconds: float, instants: list[float]) -> dict[str, Any] | None:
        """A measurement of a row in a new process and a new folder; None where it gave none."""
        with tempfile.TemporaryDirectory(dir=self.place) as folder:
            cwd = Path(folder)
            job, output = cwd / "job.json", cwd / "result.json"
            started = time.time()
            description = {
                "row": name,
                # Twelve forecasts, where the others need one or two.
                "work": self.work | {"every": self.given.every * (4 if instants else 1)},
                "seconds": seconds,
                "instants": instants,
                "bar": self.given.quality,
                "started": started,
            }
            job.write_text(json.dumps(description), encoding="utf-8")
            problem = run_child(job, output, self.given.limit)
            found = {"error": problem} if problem else json.loads(output.read_text(encoding="utf-8"))
        if "absent" in found:
            self.results[name]["absent"] = found["absent"]
            self.console.print(f"{name}: left out, {found['absent']} is not installed", highlight=False)
            return None
        if "error" in found:
            self.results[name]["error"] = found["error"]
            self.console.print(f"{name}: failed: {found['error']}", highlight=False, markup=False)
            return None
        self.console.print(f"{what}: {name}, {time.time() - started:.0f} s", highlight=False)
        return found

    def summarise(self) -> None:
        """Adds medians, ranges and ratios to the results."""
        naive = self.results[NAIVE]["rounds"]
        for result in self.results.values():
            rounds = result["rounds"]
            if not rounds:
                continue
            result["version"] = rounds[0]["version"]
            result["parameters"] = rounds[0]["parameters"]
            for key in (*MEASURES, "start_up", "memory", "memory_training"):
                result[key] = spread([found[key] for found in rounds])
            for key in MEASURES:
                pairs = zip(rounds, naive, strict=False)  # one that failed has fewer rounds
                ratios = [found[key] / reference[key] for found, reference in pairs]
                if ratios:
                    result[f"{key}_ratio"] = spread(ratios)

    def report(self) -> dict[str, Any]:
        """All that was measured, in plain containers."""
        return {
            "machine": machine(),
            "options": {key: value for key, value in vars(self.given).items() if key != "output"},
            "rows": self.results,
        }


def table(results: dict[str, dict[str, Any]], quality: float, budget: float) -> Table:
    """A row for each library."""
    shown = Table(box=None, pad_edge=False)
    shown.add_column("")
    columns = ["training\nwindows/s", "x naive", "inference\nwindows/s", "x naive", "start-up\ns", "memory\nMiB"]
    if budget > 0:
        columns.append(f"seconds to\n{quality:g} m2")
    for column in columns:
        shown.add_column(column, justify="right")
    for name, result in results.items():
        title = f"{name}\n{result['version']}" if "version" in result else name
        if "absent" in result:
            shown.add_row(title, "not installed")
        elif "error" in result:
            shown.add_row(title, "failed")
        else:
            keys = (("training", 0), ("training_ratio", 2), ("inference", 0), ("inference_ratio", 2))
            cells = [cell(result.get(key), digits) for key, digits in (*keys, ("start_up", 1), ("memory", 0))]
            shown.add_row(title, *cells, reached(result.get("quality"), budget))
    return shown


def reached(quality: dict[str, Any] | None, budget: float) -> str:
    """The time to quality in words."""
    if quality is None:
        return ""
    if quality["reached"] is not None:
        return f"{quality['reached']:.1f}\n{quality['best']:.4f} m2"
    trained = min(budget, quality["trained"])
    return f"not in {trained:.0f} s\nbest {quality['best']:.4f} m2"


def main() -> None:
    """Measures, prints, writes."""
    given = arguments()
    console = Console()
    console = Console(width=max(console.width, 120))
    with tempfile.TemporaryDirectory(prefix="recast-peers-") as place:
        benchmark = Benchmark(given, Path(place), console)
        benchmark.run()
    benchmark.summarise()
    report = benchmark.report()
    console.print(
        f"{given.context} rows read, {given.horizon} forecast, {given.hidden} units, batches of {given.batch}\n"
        f"one thread; medians and ranges of {given.rounds} round(s); {report['machine']['processor']}, "
        f"load {report['machine']['load']:.1f} at the end",
        highlight=False,
    )
    console.print(table(benchmark.results, given.quality, given.budget), highlight=False)
    if given.output:
        given.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if any("error" in result for result in benchmark.results.values()):
        sys.exit(1)


if __name__ == "__main__":
    main()

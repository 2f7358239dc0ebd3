"""i. Time to quality: how long recast's recipe takes to be as good as the notebook's after ten epochs."""

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from measuring.recast_run import Run, set_up_run
from measuring.spread import spread
from peers.series import STEP, tide, write
from peers.work import TEST
from torch import Tensor

from .rounds import rates
from .routes import NAIVE, Case, routes_of
from .sizes import Sizes
from .table import Sheet, short

SHIPPED = ["trainer.max_epochs=1"]
"""recast-train's defaults: standardised, the change from the last value, update gate's bias 3, Adam with one cycle of
the rate up to 0.01, gradients clipped at 1."""
LOOKS = 20
"""How often the weights of recast's recipe are looked at in the epoch."""
NAIVE_SECONDS, NAIVE_ROUNDS = 1.0, 3


def notebook(epochs: int) -> list[str]:
    """The notebook's recipe: raw metres, Adam with a constant rate of 0.001."""
    return [
        "data/scaler=none",
        "model/anchor=none",
        "model.cell.gate_init.bias=0.0",
        "learning_rate=constant",
        "optimizer.lr=0.001",
        "trainer.gradient_clip_val=null",
        f"trainer.max_epochs={epochs}",
    ]


class Snapshots(pl.Callback):
    """Copies the weights every few steps, with the seconds of training so far; the copying does not count.

    Args:
        looks: Copies in the whole training, the last one at its end.
    """

    def __init__(self, looks: int) -> None:
        self.looks = looks
        self.taken: list[tuple[float, int, dict[str, Tensor]]] = []
        self._started: float | None = None

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Starts the clock."""
        if self._started is None:
            self._started = time.perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Copies."""
        if self._started is None:
            raise RuntimeError("a batch has ended that never began")
        steps, step = int(trainer.estimated_stepping_batches), trainer.global_step
        if step % max(steps // self.looks, 1) == 0 or step == steps:
            now = time.perf_counter()
            weights = {name: value.clone() for name, value in pl_module.state_dict().items() if torch.is_tensor(value)}
            self.taken.append((now - self._started, step, weights))
            self._started += time.perf_counter() - now


def train(sizes: Sizes, series: Path, overrides: list[str], *, seed: int, threads: int, looks: int) -> Any:
    """Trains through recast-train's trainer, without its progress bar; the run and what was copied of it."""
    snapshots = Snapshots(looks)
    with tempfile.TemporaryDirectory() as folder:
        run = set_up_run(
            [
                "data=csv",
                f"data.source.path={series}",
                "data.source.time=datetime",
                "data.source.targets=[level]",
                f"data.source.step={STEP}min",
                "data.split.validation=0.0",
                f"data.split.test={TEST}",
                f"data.windows.context={sizes.context}",
                f"data.windows.horizon={sizes.horizon}",
                f"data.batch_size={sizes.batch}",
                "model/cell=gru",
                f"model.cell.hidden_size={sizes.hidden}",
                "baselines=none",
                "callbacks.progress_bar=null",
                f"threads={threads}",
                f"seed={seed}",
                *overrides,
            ],
            Path(folder),
            snapshots,
        )
        run.fit()
    return run, snapshots.taken


@torch.no_grad()
def mse(run: Run, weights: dict[str, Tensor]) -> float:
    """Mean squared error of free-running forecasts over all test windows, in square metres."""
    run.task.load_state_dict(weights, strict=False)
    run.task.eval()
    total, count = 0.0, 0
    for batch in run.data.loader("test"):
        errors = run.task.forecast(batch).mean - run.task.in_unit(batch.target, batch)
        total += float(errors.square().sum())
        count += errors.numel()
    return total / count


def notebook_quality(sizes: Sizes, series: Path) -> dict[str, Any]:
    """The notebook's recipe by the fast engine, on one thread: "mse" and "seconds" for each seed."""
    found: dict[str, Any] = {"mse": [], "seconds": []}
    for seed in sizes.seeds:
        run, taken = train(sizes, series, notebook(sizes.epochs), seed=seed, threads=1, looks=1)
        seconds, _, weights = taken[-1]
        found["mse"].append(mse(run, weights))
        found["seconds"].append(seconds)
    return found


def recast_quality(sizes: Sizes, series: Path, bar: float) -> list[dict[str, Any]]:
    """Recast's recipe until the bar: for each number of threads and seed the "seconds" and "steps" to it, or None."""
    found = []
    for threads in sizes.quality_threads:
        for seed in sizes.seeds:
            run, taken = train(sizes, series, SHIPPED, seed=seed, threads=threads, looks=LOOKS)
            curve = []
            for seconds, step, weights in taken:
                curve.append((seconds, step, mse(run, weights)))
                if curve[-1][2] <= bar:
                    break
            seconds, step, reached = curve[-1]
            good = reached <= bar
            found.append(
                {
                    "threads": threads,
                    "seed": seed,
                    "seconds": seconds if good else None,
                    "steps": step if good else None,
                    "mse": reached,
                    "mse_at_the_end": mse(run, taken[-1][2]),
                    "curve": curve,
                }
            )
    return found


def measure(sizes: Sizes) -> dict[str, Any]:
    """The notebook's quality, the seconds to it by recast's recipe, and those of the naive loop for its ten epochs."""
    with tempfile.TemporaryDirectory() as folder:
        series = Path(folder) / "series.csv"
        write(tide(sizes.quality_rows), series)
        measured, bar = None, sizes.notebook_mse
        if bar is None:
            measured = notebook_quality(sizes, series)
            bar = statistics.median(measured["mse"])
        runs = recast_quality(sizes, series, bar)
    case = Case(context=sizes.context, horizon=sizes.horizon, hidden=sizes.hidden, batch=sizes.batch)
    step = routes_of(case)[NAIVE].training(case.data())
    threads = sizes.quality_threads
    speeds = rates({NAIVE: step}, threads=threads, rounds=NAIVE_ROUNDS, seconds=min(NAIVE_SECONDS, 10 * sizes.seconds))
    steps = sizes.epochs * -(-_training_windows(sizes) // sizes.batch)
    naive = {count: spread([1 / speed for speed in values[NAIVE]]) for count, values in speeds.items()}
    factors = {}
    for count in threads:
        reached = [run["seconds"] for run in runs if run["threads"] == count]
        known = [seconds for seconds in reached if seconds is not None]
        complete = len(known) == len(reached)
        factors[str(count)] = (
            spread([steps * naive[count]["median"] / seconds for seconds in known]) if complete else None
        )
    return {
        "bar": bar,
        "epochs": sizes.epochs,
        "notebook": measured,
        "naive_step": {str(count): values for count, values in naive.items()},
        "naive_steps": steps,
        "recast": runs,
        "factor": factors,
    }


def _training_windows(sizes: Sizes) -> int:
    return round(sizes.quality_rows * (1 - TEST)) - sizes.context - sizes.horizon + 1


def sheet(result: dict[str, Any]) -> Sheet:
    """Seconds and factors."""
    bar, epochs, steps = result["bar"], result["epochs"], result["naive_steps"]
    source = "median of its seeds" if result["notebook"] else "from an earlier full run"
    shown = Sheet(
        f"Time to quality: seconds of training to a free-running test MSE of {bar:.4f} m2",
        *("way", "threads", "seconds", "test MSE\nm2", "naive / way"),
        note=f"The quality is that of the notebook's recipe (raw metres, Adam, constant rate) after {epochs} epochs, "
        f"{source}.\nThe naive loop's seconds are extrapolated: {steps} steps times the measured seconds of one.\n"
        f"recast's recipe runs in recast-train's trainer; {LOOKS} times an epoch it is looked at on all test windows, "
        "which does not count.",
    )
    for count, step in result["naive_step"].items():
        seconds = {key: steps * value for key, value in step.items()}
        shown.add(f"naive loop, notebook's recipe, {epochs} epochs (extrapolated)", count, short(seconds), "", "1")
    if result["notebook"]:
        notebook_seconds = spread(result["notebook"]["seconds"])
        naive = steps * result["naive_step"]["1"]["median"]
        ratio = spread([naive / value for value in result["notebook"]["seconds"]])
        errors = short(spread(result["notebook"]["mse"]), 4)
        shown.add("recast's engine, notebook's recipe", "1", short(notebook_seconds), errors, short(ratio, 1))
    for count, factor in result["factor"].items():
        runs = [run for run in result["recast"] if str(run["threads"]) == count]
        known = [run["seconds"] for run in runs if run["seconds"] is not None]
        words = short(spread(known), 1) if len(known) == len(runs) else f"reached by {len(known)} of {len(runs)} seeds"
        errors = short(spread([run["mse"] for run in runs]), 4)
        shown.add("recast's engine and recipe", count, words, errors, short(factor, 0))
    return shown

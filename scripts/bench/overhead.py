"""f. The trainer's overhead: milliseconds a step in a bare loop, and in recast-train's trainer with all that it has."""

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import lightning.pytorch as pl
import torch
from measuring.recast_run import Run, set_up_run
from measuring.spread import spread
from peers.clock import Clock

from recast.types import Batch, Progress

from .sizes import Sizes
from .table import Sheet, short

TARGET = 12.0
"""Overhead that is aimed at, in per cent."""
TERMINAL = {"FORCE_COLOR": "1", "TERM": "xterm"}
"""Lets the progress bar draw as on a terminal; what it draws is thrown away."""


def options(sizes: Sizes, threads: int) -> list[str]:
    """Options of recast-train: experiment=ssh_gru model/anchor=last on the simulated gauge."""
    return [
        "data=tide",
        "data/grid=rows",
        f"data.source.days={sizes.lightning_rows * 10 / 1440}",
        f"data.windows.context={sizes.context}",
        f"data.windows.horizon={sizes.horizon}",
        f"data.batch_size={sizes.batch}",
        "model/cell=gru",
        f"model.cell.hidden_size={sizes.hidden}",
        "trainer.max_epochs=1",
        "baselines=none",
        f"threads={threads}",
    ]


def in_trainer(overrides: list[str], seconds: float) -> float:
    """Training windows a second with the default callbacks, progress bar and logger, from the third step on."""
    clock = Clock(seconds)
    with tempfile.TemporaryDirectory() as folder:
        set_up_run(overrides, Path(folder), clock.callback(pl.Callback, _windows)).fit()
    return clock.rate()


def in_bare_loop(overrides: list[str], seconds: float) -> float:
    """The same with the same loader, model, clipping, optimiser and learning rate, and no more."""
    clock = Clock(seconds)
    with tempfile.TemporaryDirectory() as folder:
        run = set_up_run(overrides, Path(folder))
    bare_loop(run, clock)
    return clock.rate()


def bare_loop(run: Run, clock: Clock) -> None:
    """Trains for an epoch, or until the clock says that it is over."""
    model, task = run.task.model, run.task
    loader = run.data.train_dataloader()
    optimizer = task.optimizer(model.parameters())
    if task.learning_rate is None:
        raise RuntimeError("the shipped recipe has a learning-rate schedule")
    schedule: Any = task.learning_rate.schedule(optimizer, len(loader))["scheduler"]
    for step, batch in enumerate(loader):
        clock.begin(model)
        progress = Progress(step=step, total_steps=len(loader), epoch=0, total_epochs=1)
        model.head.loss(*model.training_forecast(batch, progress)).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), run.config["trainer"]["gradient_clip_val"])
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        if clock.end_batch(_windows(batch)):
            break


def _windows(batch: Batch) -> int:
    return len(batch.start)


def measure(sizes: Sizes) -> dict[str, Any]:
    """Both in turn. "threads": for each number of them milliseconds a step, and the overhead in per cent."""
    found = {}
    for threads in sizes.threads:
        overrides = options(sizes, threads)
        rates: dict[str, list[float]] = {"bare": [], "trainer": []}
        for _ in range(sizes.rounds):
            with (
                patch.dict(os.environ, TERMINAL),
                Path(os.devnull).open("w") as nowhere,
                contextlib.redirect_stdout(nowhere),
            ):
                rates["bare"].append(in_bare_loop(overrides, sizes.lightning_seconds))
                rates["trainer"].append(in_trainer(overrides, sizes.lightning_seconds))
        pairs = list(zip(rates["bare"], rates["trainer"], strict=True))
        found[str(threads)] = {
            "milliseconds": {name: spread([1000 * sizes.batch / rate for rate in rates[name]]) for name in rates},
            "overhead": spread([100 * (bare / trainer - 1) for bare, trainer in pairs]),
        }
    return {"threads": found, "target": TARGET}


def sheet(result: dict[str, Any]) -> Sheet:
    """Milliseconds a step."""
    shown = Sheet(
        "Overhead of the trainer: GRU on a simulated gauge, milliseconds a step",
        *("threads", "bare loop", "recast-train", "overhead\n%", f"below\n{result['target']:.0f} %"),
        note="recast-train's trainer with its default callbacks, progress bar, checkpoints and TensorBoard; "
        "both with the same loader,\nmodel, clipping, optimiser and learning rate.",
    )
    for threads, row in result["threads"].items():
        milliseconds = (short(row["milliseconds"][name], 2) for name in ("bare", "trainer"))
        reached = "yes" if row["overhead"]["median"] < result["target"] else "no"
        shown.add(threads, *milliseconds, short(row["overhead"], 1), reached)
    return shown

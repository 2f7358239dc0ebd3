"""h. A long series: seconds and memory from the data read to the first training step."""

import tempfile
import time
from pathlib import Path
from typing import Any
from unittest.mock import patch

from . import resident
from .process import call
from .sizes import Sizes
from .table import Sheet

WARM_UP = 10
"""Windows in the series that is trained on first, as many times the batch and the window."""
SECONDS, MEBIBYTES = 5.0, 200 * 1e6 / 2**20
"""Aims: training starts within so many seconds, with less memory (200 MB) beyond the series."""


def first_step(
    *, rows: int, context: int, horizon: int, hidden: int, batch: int, overrides: list[str]
) -> dict[str, Any]:
    """Runs what recast-train runs on a series in memory, up to the end of the first training step.

    A short series comes first, so that libraries and compiled code are there. No file is read: the source's `read`
    gives the series, and the clock starts when it returns.

    Returns:
        "seconds" from there to the end of the step; "beyond": the peak of the resident memory beyond the series, in
        MiB; "series": its size, in MiB.
    """
    options = [
        "data=csv",
        "data.source.path=in_memory.csv",
        "data.source.time=datetime",
        "data.source.targets=[level]",
        f"data.windows.context={context}",
        f"data.windows.horizon={horizon}",
        f"data.batch_size={batch}",
        "model/cell=gru",
        f"model.cell.hidden_size={hidden}",
        "callbacks.progress_bar=null",
        *overrides,
    ]
    _to_first_step(_series(WARM_UP * (context + horizon)), options)
    series = _series(rows)
    before = resident.begin()
    seconds = _to_first_step(series, options)
    size = (series.times.nbytes + series.values.nbytes) / resident.MIB
    return {"seconds": seconds, "beyond": resident.peak() - before, "series": size}


def _series(rows: int) -> Any:
    import numpy as np
    from peers.series import STEP, tide

    from recast.data.panel import Panel, columns_of

    return Panel(
        columns=columns_of(targets=["level"], units={"level": "m"}),
        times=np.datetime64("2000-01-01", "ns") + np.arange(rows) * np.timedelta64(STEP, "m"),
        values=tide(rows)[:, None],
        step=f"{STEP}min",
        starts=np.zeros(1, dtype=np.int64),
        label="a series in memory",
    )


def _to_first_step(series: Any, options: list[str]) -> float:
    import lightning.pytorch as pl
    from measuring.recast_run import checked_config

    from recast.data.sources.csv_file import CsvSource
    from recast.runs import fit

    instants: dict[str, float] = {}
    build = fit.build_trainer

    def read(_: CsvSource) -> Any:
        instants["read"] = time.perf_counter()
        return series

    class Leave(pl.Callback):
        """Leaves the run after a step."""

        def on_train_batch_end(
            self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
        ) -> None:
            instants["step"] = time.perf_counter()
            raise _FirstStepTakenError

    def build_with_callback(*given: Any) -> pl.Trainer:
        trainer = build(*given)
        listed: list[pl.Callback] = trainer.callbacks  # pyright: ignore[reportAttributeAccessIssue] set at run time
        listed.append(Leave())
        return trainer

    with (
        tempfile.TemporaryDirectory() as folder,
        patch.object(CsvSource, "read", read),
        patch.object(fit, "build_trainer", build_with_callback),
    ):
        try:
            fit.run(checked_config(options), Path(folder))
        except _FirstStepTakenError:
            return instants["step"] - instants["read"]
    raise RuntimeError("the run ended without a training step")


class _FirstStepTakenError(Exception):
    """Enough was seen."""


def measure(sizes: Sizes) -> dict[str, Any]:
    """A process for each. "runs": by what is trained with."""
    case = {"context": sizes.context, "horizon": sizes.horizon, "hidden": sizes.hidden, "batch": sizes.batch}
    overrides = {"baselines=none": ["baselines=none"]} | ({"default baselines": []} if sizes.thorough else {})
    runs = {
        words: call("bench.long_series:first_step", rows=sizes.long_rows, overrides=given, **case)
        for words, given in overrides.items()
    }
    return {"rows": sizes.long_rows, "runs": runs, "aims": {"seconds": SECONDS, "beyond": MEBIBYTES}}


def sheet(result: dict[str, Any]) -> Sheet:
    """Seconds and MiB."""
    aims = result["aims"]
    shown = Sheet(
        f"A series of {result['rows']:,} rows: from the data read to the end of the first training step",
        *("recast-train data=csv", "seconds", "MiB beyond\nthe series", "MiB of\nthe series"),
        note=f"Aims: {aims['seconds']:.0f} s, {aims['beyond']:.0f} MiB (200 MB). The peak of the resident set counts.",
    )
    for words, run in result["runs"].items():
        shown.add(words, f"{run['seconds']:.2f}", f"{run['beyond']:.0f}", f"{run['series']:.0f}")
    return shown

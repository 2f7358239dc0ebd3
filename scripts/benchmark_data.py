"""The data path, measured.

Whole-batch gathers from one storage tensor against a per-sample Dataset with default collation.

    python scripts/benchmark_data.py [--rows 1000000] [--context 800] [--horizon 100] [--batch 32] [--rounds 5]

Both routes serve the same shuffled windows of the same series in one process, in turn, one thread. Reported are windows
per second (median and range over the rounds), the share of a training step that the gather takes, and the memory that
the prepared data take beyond the raw series (peak resident set; fresh process).
"""

import argparse
import json
import resource
import statistics
import time
from collections.abc import Callable

import lightning.pytorch as pl
import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from recast.data.datamodule import ForecastDataModule
from recast.data.panel import Panel
from recast.data.prepare.windows import Windows
from recast.data.sources import table
from recast.data.sources.autoregressive import AR2
from recast.data.sources.source import Source
from recast.nn.cells.gru import GRU
from recast.nn.heads.point import Point
from recast.nn.models.encoder_decoder import EncoderDecoder
from recast.nn.schedules import Never
from recast.types import Progress


class Given(Source):
    """A series that is already in memory."""

    def __init__(self, series: Panel) -> None:
        self.series = series

    def read(self) -> Panel:
        """The series."""
        return self.series

    def for_table(self, table: table.Table) -> Source:
        """There is no table."""
        raise NotImplementedError(table.label)


class PerSample(Dataset[tuple[Tensor, Tensor]]):
    """The usual way: one window at a time."""

    def __init__(self, values: Tensor, starts: Tensor, context: int, horizon: int) -> None:
        self.values, self.starts, self.context, self.horizon = values, starts, context, horizon

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        start = int(self.starts[index])
        origin = start + self.context
        return self.values[start:origin], self.values[origin : origin + self.horizon]


def peak_mib() -> float:
    """Peak resident memory of this process in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def rate(batches: Callable[[], object], windows: int) -> float:
    """Windows per second of one pass."""
    started = time.perf_counter()
    batches()
    return windows / (time.perf_counter() - started)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rows", 1_000_000), ("context", 800), ("horizon", 100), ("batch", 32), ("rounds", 5)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(1)
    pl.seed_everything(0, verbose=False)

    series = AR2(rows=options.rows, seed=0).read()
    before = peak_mib()
    data = ForecastDataModule(
        source=Given(series),
        windows=Windows(context=options.context, horizon=options.horizon),
        batch_size=options.batch,
    )
    started = time.perf_counter()
    loader = data.train_dataloader()
    prepared_in = time.perf_counter() - started
    for _, _ in zip(range(200), loader, strict=False):
        pass
    beyond = peak_mib() - before

    counted = 2000  # batches in a round
    gathered = data.train_dataloader()
    per_sample = DataLoader(
        PerSample(data.prepared.storage.values, data.prepared.starts.train, options.context, options.horizon),
        batch_size=options.batch,
        shuffle=True,
    )
    rates: dict[str, list[float]] = {"one gather a batch": [], "per-sample Dataset": []}
    for _ in range(options.rounds):
        for name, source, batches in (
            ("one gather a batch", gathered, counted),
            ("per-sample Dataset", per_sample, counted // 10),
        ):
            iterator = iter(source)
            next(iterator)  # the order of the epoch is drawn here
            rates[name].append(
                rate(lambda: [next(iterator) for _ in range(batches)], batches * options.batch)  # noqa: B023 called at once
            )
    share = gather_share(data)

    table = Table(title=f"{options.rows:,} rows, windows of {options.context} + {options.horizon}, one thread")
    for heading in ("route", "windows/s, median", "range", "ratio"):
        table.add_column(heading, justify="left" if heading == "route" else "right")
    slow = statistics.median(rates["per-sample Dataset"])
    for name, values in rates.items():
        median = statistics.median(values)
        table.add_row(name, f"{median:,.0f}", f"{min(values):,.0f} .. {max(values):,.0f}", f"{median / slow:.1f}")
    Console().print(table)
    print(f"memory beyond the series: {beyond:.1f} MiB; prepared in {prepared_in:.2f} s")
    print(f"share of a training step (GRU 64, batch {options.batch}) spent on the gather: {100 * share:.2f} %")
    print(json.dumps({"windows_per_second": rates, "beyond_mib": beyond, "gather_share": share}))


def gather_share(data: ForecastDataModule) -> float:
    """Time of a gather over time of gather, forward and backward pass and optimiser step; medians over 12 steps."""
    model = EncoderDecoder(spec=data.spec, cell=GRU, head=Point(), schedule=Never())
    optimizer = torch.optim.Adam(model.parameters(), fused=True)
    iterator = iter(data.train_dataloader())
    gathers, steps = [], []
    for _ in range(12):
        started = time.perf_counter()
        batch = next(iterator)
        gathers.append(time.perf_counter() - started)
        model.head.loss(*model.training_forecast(batch, Progress(0, 1, 0, 1))).backward()
        optimizer.step()
        optimizer.zero_grad()
        steps.append(time.perf_counter() - started)
    return float(np.median(gathers[2:]) / np.median(steps[2:]))


if __name__ == "__main__":
    main()

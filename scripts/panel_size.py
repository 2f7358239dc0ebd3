"""Measures how long a large panel takes until training starts, and what memory it takes beyond the data.

    python scripts/panel_size.py                    # 10,000 items of 1,000 rows
    python scripts/panel_size.py --items 1000 --rows 500 --scaler item

The time is that from a panel in memory to the first training batch: split, scaling, windows, storage, order; "seconds"
by the clock, "processor" of this process, which other work on the machine hardly lengthens. The memory is the highest
resident size meanwhile, less that of the process with the panel (values and stamps) before it.
"""

import argparse
import json
import resource
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from recast.data.datamodule import ForecastDataModule
from recast.data.panel import Panel, columns_of
from recast.data.prepare.regime import ShuffledWindows
from recast.data.prepare.scale import Scaler, Standard, WindowScaler
from recast.data.prepare.split import LastSplit
from recast.data.prepare.windows import Windows
from recast.data.sources.source import Source
from recast.data.sources.table import Table
from recast.errors import DataError

SCALERS = {"together": Standard(), "item": Standard(by="item"), "window": WindowScaler(level=True)}


class InMemory(Source):
    """A panel that is there already."""

    def __init__(self, panel: Panel) -> None:
        self.panel = panel

    def read(self) -> Panel:
        """The panel."""
        return self.panel

    def for_table(self, table: Table) -> Source:
        """There is none: it has no table."""
        raise DataError(f"{self.panel.label}: a panel in memory, which no table replaces; found {table.label}")


@dataclass(frozen=True)
class Measured:
    """What was measured.

    Args:
        seconds: From the panel to the first batch. [s]
        processor: The same in processor time, which other work of the machine does not lengthen. [s]
        beyond: Memory beyond that of the process with the panel. [MB]
        data: Values and stamps of the panel. [MB]
        windows: Training windows.
    """

    seconds: float
    processor: float
    beyond: float
    data: float
    windows: int


def panel_of(items: int, rows: int) -> Panel:
    """Noise of different size, all items at the same times."""
    random = np.random.default_rng(0)
    values = random.normal(size=(items * rows, 1))
    for item in range(items):
        values[item * rows : (item + 1) * rows] *= 10 ** (item % 5)
    hours = np.arange(rows) * np.timedelta64(3_600_000_000_000, "ns")
    return Panel(
        columns=columns_of(targets=["value"]),
        values=values,
        starts=np.arange(items) * rows,
        label=f"{items} items of {rows} rows",
        times=np.tile(np.datetime64("2020-01-01", "ns") + hours, items),
        step="h",
        items=np.arange(items),
    )


def resident() -> float:
    """Resident memory of this process now, in MB."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * resource.getpagesize() / 1e6


def measure(items: int, rows: int, scaler: Scaler, sample: Literal["window", "item"] = "window") -> Measured:
    """Measures one panel.

    Args:
        items: Its items.
        rows: Rows of each.
        scaler: The scaling.
        sample: How windows are drawn.
    """
    panel = panel_of(items, rows)
    before, highest, done = resident(), 0.0, threading.Event()

    def watch() -> None:
        nonlocal highest
        while not done.wait(0.005):
            highest = max(highest, resident())

    watcher = threading.Thread(target=watch)
    watcher.start()
    started, worked = time.perf_counter(), time.process_time()
    data = ForecastDataModule(
        source=InMemory(panel),
        windows=Windows(context=96, horizon=24),
        split=LastSplit(validation=24, test=24),
        scaler=scaler,
        regime=ShuffledWindows(sample=sample),
    )
    next(iter(data.train_dataloader()))
    seconds, processor = time.perf_counter() - started, time.process_time() - worked
    highest = max(highest, resident())
    done.set()
    watcher.join()
    size = (panel.values.nbytes + panel.clock.nbytes) / 1e6
    return Measured(seconds, processor, highest - before, size, len(data.prepared.starts.train))


def main() -> None:
    """Prints a line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=10_000)
    parser.add_argument("--rows", type=int, default=1_000)
    parser.add_argument("--scaler", choices=sorted(SCALERS), default="window")
    parser.add_argument("--sample", choices=["window", "item"], default="window")
    options = parser.parse_args()
    # As a run does: threads of torch that wait for each other take processor time for nothing.
    torch.set_num_threads(1)
    found = measure(options.items, options.rows, SCALERS[options.scaler], options.sample)
    json.dump(vars(options) | {name: round(value, 2) for name, value in vars(found).items()}, sys.stdout)
    print()


if __name__ == "__main__":
    main()

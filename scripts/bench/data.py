"""e. The data path: windows a second of loaders, and their share of a training step."""

from collections.abc import Callable, Iterator
from typing import Any

from benchmark_data import Given, PerSample, gather_share
from measuring.spread import spread
from torch.utils.data import DataLoader

from recast.data.datamodule import ForecastDataModule
from recast.data.prepare.windows import Windows
from recast.data.sources.autoregressive import AR2

from .rounds import compared, rate
from .sizes import Sizes
from .table import Sheet, short

GATHER, PER_SAMPLE = "recast: one gather a batch", "Dataset of single windows, default collation"
FEWER = 10
"""The slow way gives so many times fewer batches in a round."""


def measure(sizes: Sizes) -> dict[str, Any]:
    """Both ways in turn. "routes": windows a second and ratios; "share": of a training step."""
    windows = Windows(context=sizes.context, horizon=sizes.horizon)
    source = Given(AR2(rows=sizes.loader_rows).read())
    data = ForecastDataModule(source=source, windows=windows, batch_size=sizes.batch)
    prepared = data.prepared
    loaders = {
        GATHER: (data.train_dataloader(), sizes.loader_batches),
        PER_SAMPLE: (
            DataLoader(
                PerSample(prepared.storage.values, prepared.starts.train, sizes.context, sizes.horizon),
                batch_size=sizes.batch,
                shuffle=True,
            ),
            max(sizes.loader_batches // FEWER, 1),
        ),
    }
    found: dict[str, list[float]] = {name: [] for name in loaders}
    for _ in range(sizes.rounds):
        for name, (loader, batches) in loaders.items():
            iterator = iter(loader)
            next(iterator)  # the order of the epoch is drawn here
            found[name].append(rate(_drawing(iterator, batches), 0.0) * batches * sizes.batch)
    share = spread([gather_share(data) for _ in range(sizes.rounds)])
    return {"rows": sizes.loader_rows, "routes": compared(found, PER_SAMPLE), "share": share}


def _drawing(iterator: Iterator[Any], batches: int) -> Callable[[], object]:
    def draw() -> None:
        # None is kept: filling memory that was never touched would be measured.
        for _ in range(batches):
            next(iterator)

    return draw


def sheet(result: dict[str, Any]) -> Sheet:
    """Windows a second."""
    share = {name: 100 * value for name, value in result["share"].items()}
    shown = Sheet(
        f"Data path: training windows a second from {result['rows']:,} rows, one thread",
        *("way", "windows/s", "x Dataset"),
        note=f"recast's takes {share['median']:.2f} % of a training step ({share['low']:.2f} to {share['high']:.2f}).",
    )
    for name, values in result["routes"].items():
        shown.add(name, short(values["value"]), short(values["ratio"], 1))
    return shown

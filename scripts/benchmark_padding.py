"""Two routes for sequences of different lengths, measured: padded, and packed by torch's PackedSequence.

    python scripts/benchmark_padding.py [--hidden 64] [--batch 32] [--channels 12] [--rounds 15]

One training step (forward pass, loss, backward pass, optimiser) of recast's Classifier on the same batches by each
route, in one process, in turn, one thread. Lengths are drawn evenly from 7 to 29 (as in JapaneseVowels), or very
unevenly from 10 to 800 (logarithms drawn evenly). Before anything is timed, both routes' losses and gradients are
compared in float64. Reported are milliseconds a step: median and range over the rounds, each over several batches.
"""

import argparse
import math
import statistics
import time
from functools import partial

import torch
from rich.console import Console
from rich.table import Table
from torch import nn
from torch.nn import functional

from recast.data.panel import Column, columns_of
from recast.data.spec import PanelSpec
from recast.nn.cells.gru import GRU
from recast.nn.cells.lstm import LSTM
from recast.nn.cells.rnn import RNN
from recast.nn.models.classifier import Classifier, Pooling, Route
from recast.nn.models.stack import CellFactory
from recast.types import Batch

CLASSES = 9
ROUTES: tuple[Route, ...] = ("padded", "packed")
BATCHES = 4  # timed in a round
LENGTHS = {"7 to 29, even": (7, 29, False), "10 to 800, very uneven": (10, 800, True)}
CELLS: dict[str, type] = {"rnn": RNN, "gru": GRU, "lstm": LSTM}


def batch_of(low: int, high: int, *, uneven: bool, size: int, channels: int, seed: int) -> Batch:
    """Noise of random lengths, zeros behind it."""
    random = torch.Generator().manual_seed(seed)
    share = torch.rand(size, generator=random)
    drawn = (math.log(low) + share * math.log(high / low)).exp() if uneven else low + share * (high - low)
    lengths = drawn.round().long()
    values = torch.randn(size, int(lengths.max()), channels, generator=random)
    inside = torch.arange(values.shape[1]) < lengths.unsqueeze(1)
    label = torch.randint(CLASSES, (size,), generator=random)
    past = values.where(inside.unsqueeze(2), 0.0)
    return Batch.of(values[..., :0], values[:, :0, :0], past)._replace(lengths=lengths, label=label)


def classifiers(cell: CellFactory, channels: int, pooling: Pooling) -> dict[Route, Classifier]:
    """The same classifier by both routes."""
    ones = (1.0,) * channels
    spec = PanelSpec(
        columns=columns_of(past=[f"c{index}" for index in range(channels)]),
        offset=ones,
        scale=ones,
        static=(Column("class", role="target", levels=tuple(map(str, range(CLASSES)))),),
        static_offset=(0.0,),
        static_scale=(1.0,),
    )
    found: dict[Route, Classifier] = {}
    for route in ROUTES:
        torch.manual_seed(0)
        found[route] = Classifier(spec=spec, cell=cell, pooling=pooling, route=route)
    return found


def check_equal(models: dict[Route, Classifier], batch: Batch) -> float:
    """The largest difference of loss and gradients between the routes in float64; raises where it is no rounding."""
    found = []
    for model in models.values():
        precise = model.double()
        loss = functional.cross_entropy(precise(batch.to_precision(torch.float64)), batch.labels)
        found.append([loss.detach(), *torch.autograd.grad(loss, list(precise.parameters()))])
        model.float()
    difference = max(float((one - other).abs().max()) for one, other in zip(*found, strict=True))
    if difference > 1e-10:
        raise RuntimeError(f"the routes differ by {difference}")
    return difference


def seconds(model: nn.Module, optimizer: torch.optim.Optimizer, batches: list[Batch]) -> float:
    """Seconds a training step, over some batches."""
    started = time.perf_counter()
    for batch in batches:
        functional.cross_entropy(model(batch), batch.labels).backward()
        optimizer.step()
        optimizer.zero_grad()
    return (time.perf_counter() - started) / len(batches)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("hidden", 64), ("batch", 32), ("channels", 12), ("rounds", 15)):
        parser.add_argument(f"--{name}", type=int, default=default)
    options = parser.parse_args()
    torch.set_num_threads(1)

    table = Table(title=f"training step, {options.hidden} units, batches of {options.batch}, one thread: ms")
    for heading in ("lengths", "cell", "pooling", *ROUTES, "packed / padded"):
        table.add_column(heading, justify="left" if heading in ("lengths", "cell", "pooling") else "right")
    worst = 0.0
    for title, (low, high, uneven) in LENGTHS.items():
        batches = [
            batch_of(low, high, uneven=uneven, size=options.batch, channels=options.channels, seed=seed)
            for seed in range(BATCHES)
        ]
        for name, cell in CELLS.items():
            for pooling in ("last", "mean"):
                models = classifiers(partial(cell, hidden_size=options.hidden), options.channels, pooling)
                worst = max(worst, check_equal(models, batches[0]))
                optimizers = {route: torch.optim.Adam(model.parameters()) for route, model in models.items()}
                times: dict[Route, list[float]] = {route: [] for route in ROUTES}
                for round_ in range(options.rounds + 1):
                    for route in ROUTES[:: 1 if round_ % 2 else -1]:
                        found = seconds(models[route], optimizers[route], batches)
                        if round_:  # the first one warms up
                            times[route].append(1000 * found)
                medians = {route: statistics.median(values) for route, values in times.items()}
                shown = [
                    f"{medians[route]:.2f} ({min(times[route]):.2f} .. {max(times[route]):.2f})" for route in ROUTES
                ]
                table.add_row(title, name, pooling, *shown, f"{medians['packed'] / medians['padded']:.2f}")
    Console(width=120).print(table)
    print(f"largest difference of loss and gradients between the routes, float64: {worst:.1e}")


if __name__ == "__main__":
    main()

"""The ways to compute one and the same encoder-decoder, and the proof that they agree."""

import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from recast.data.panel import columns_of
from recast.data.spec import SeriesSpec
from recast.nn.anchors import NoAnchor
from recast.nn.cells.gru import GRU
from recast.nn.cells.lstm import LSTM
from recast.nn.cells.rnn import RNN
from recast.nn.heads.point import Point
from recast.nn.models.encoder import Encoder
from recast.nn.models.encoder_decoder import EncoderDecoder
from recast.nn.recurrence.engine import Engine, Name, using
from recast.nn.schedules import Constant
from recast.types import Batch, Progress

from .naive import Naive

NAIVE, FUSED = "naive", "fused"
IMPLEMENTATIONS: tuple[Name, ...] = ("plain", "autograd", "numba")
CELLS: dict[str, type] = {"gru": GRU, "lstm": LSTM, "rnn": RNN}
BEGINNING = Progress(step=0, total_steps=1, epoch=0, total_epochs=1)
TOLERANCE = 1e-9
"""Largest difference between two ways, relative to the largest number, in float64."""


@dataclass(frozen=True)
class Case:
    """An encoder-decoder and its batch.

    Args:
        context: Rows that a window reads. [steps]
        horizon: Rows that are forecast. [steps]
        hidden: Units of a layer.
        batch: Windows in a batch. [windows]
        cell: "gru", "lstm" or "rnn".
        forcing: Probability that the truth is fed in training.
        layers: Layers of encoder and decoder.
        inputs: Inputs at each step of the context; the first one is the target.
    """

    context: int
    horizon: int
    hidden: int
    batch: int
    cell: str = "gru"
    forcing: float = 0.0
    layers: int = 1
    inputs: int = 1

    @property
    def spec(self) -> SeriesSpec:
        """Its data."""
        ones = (1.0,) * self.inputs
        return SeriesSpec(
            columns=columns_of(targets=["c0"], past=[f"c{number}" for number in range(1, self.inputs)]),
            step="10min",
            context=self.context,
            horizon=self.horizon,
            offset=ones,
            scale=ones,
            naive_error=(1.0,),
        )

    def data(self, dtype: torch.dtype = torch.float32) -> Batch:
        """A batch of noise; how long a step takes does not depend on the values."""
        random = torch.Generator().manual_seed(0)
        rows = torch.randn(self.batch, self.context + self.horizon, self.inputs, generator=random).to(dtype)
        past, future = rows[:, : self.context], rows[:, self.context :]
        return Batch.of(past[..., :1], future[..., :1], past[..., 1:])

    @property
    def small(self) -> "Case":
        """The same in small, for the comparison in float64."""
        return replace(self, context=20, horizon=12, hidden=8, batch=5)


class Route(ABC):
    """A way to compute the encoder-decoder of a case.

    Args:
        network: Its module.
        generator: Source of the mask of scheduled sampling.
    """

    def __init__(self, network: nn.Module, generator: torch.Generator) -> None:
        self.network = network
        self.generator = generator

    @property
    @abstractmethod
    def weights(self) -> list[Tensor]:
        """Weights of encoder, decoder and readout, in the same order for each route."""

    @abstractmethod
    def loss(self, batch: Batch) -> Tensor:
        """The mean squared error in training."""

    @abstractmethod
    def forecast(self, batch: Batch) -> Tensor:
        """The free-running forecast, shape (batch, horizon, 1)."""

    def use_threads(self, count: int) -> None:
        """Gives it so many cores."""
        torch.set_num_threads(count)

    def training(self, batch: Batch) -> Callable[[int], Callable[[], None]]:
        """A training step: forward, loss, backward, optimiser; to be called where the number of threads is given."""
        optimizer = torch.optim.Adam(self.network.parameters(), fused=True)

        def step() -> None:
            optimizer.zero_grad()
            self.loss(batch).backward()
            optimizer.step()

        return self._ready(step)

    def inference(self, batch: Batch) -> Callable[[int], Callable[[], None]]:
        """A forecast of a batch, as a training step is given."""

        def step() -> None:
            with torch.no_grad():
                self.forecast(batch)

        return self._ready(step)

    def _ready(self, step: Callable[[], None]) -> Callable[[int], Callable[[], None]]:
        def ready(count: int) -> Callable[[], None]:
            self.use_threads(count)
            return step

        return ready


class Loop(Route):
    """The naive loop; where the truth is always fed, as it is or `fused` into one call of torch."""

    def __init__(self, case: Case, *, fused: bool = False) -> None:
        self.case = case
        self.fused = fused
        self.loop = Naive(
            kind=case.cell, inputs=case.inputs, hidden=case.hidden, layers=case.layers, horizon=case.horizon
        )
        super().__init__(self.loop, torch.Generator())

    @property
    def weights(self) -> list[Tensor]:
        """See the base class."""
        layers = [layer for stack in (self.loop.encoder, self.loop.decoder) for layer in stack.all_weights]
        return [*_flat(layers), *self.loop.readout.parameters()]

    def loss(self, batch: Batch) -> Tensor:
        """See the base class."""
        return functional.mse_loss(self._training_forecast(batch), batch.target)

    def _training_forecast(self, batch: Batch) -> Tensor:
        if self.fused:
            return self.loop.teacher_forced(_inputs(batch), batch.target)
        fed = None
        if self.case.forcing:
            size = len(batch.start), self.case.horizon - 1
            fed = (torch.rand(size, generator=self.generator) < self.case.forcing).to(batch.target.device)
        return self.loop(_inputs(batch), batch.target, fed)

    def forecast(self, batch: Batch) -> Tensor:
        """See the base class."""
        return self.loop(_inputs(batch))


def _inputs(batch: Batch) -> Tensor:
    """What the encoder reads at each step."""
    return torch.cat([batch.history, batch.past], dim=-1)


class Recast(Route):
    """recast's EncoderDecoder by one of the implementations of recurrences.

    Args:
        case: What is computed.
        implementation: How; as the option `recurrence` has it.
    """

    def __init__(self, case: Case, implementation: Name) -> None:
        self.model = EncoderDecoder(
            spec=case.spec,
            cell=partial(CELLS[case.cell], hidden_size=case.hidden),
            head=Point(),
            schedule=Constant(value=case.forcing),
            layers=case.layers,
            anchor=NoAnchor,
        )
        super().__init__(self.model, self.model.teacher_forcing_mask.generator)
        self.implementation: Name = implementation
        self.use_threads(1)

    def use_threads(self, count: int) -> None:
        """As recast's commands do with their option `threads`."""
        self.engine = Engine(implementation=self.implementation, threads=count)
        torch.set_num_threads(self.engine.torch_threads)

    @property
    def weights(self) -> list[Tensor]:
        """See the base class."""
        encoder, decoder = cast("Encoder", self.model.encoder), self.model.decoder
        layers = [layer.weights for stack in (encoder.stack, decoder.stack) for layer in stack.layers]
        return [*_flat(layers), *decoder.readout.parameters()]

    def loss(self, batch: Batch) -> Tensor:
        """See the base class."""
        with using(self.engine):
            return self.model.head.loss(*self.model.training_forecast(batch, BEGINNING))

    def forecast(self, batch: Batch) -> Tensor:
        """See the base class."""
        with using(self.engine):
            return self.model(batch).squeeze(-1)


def _flat(layers: Iterable[Iterable[Tensor]]) -> list[Tensor]:
    return [weight for layer in layers for weight in layer]


def routes_of(case: Case) -> dict[str, Route]:
    """All routes of a case, with equal weights: the naive loop, its fused form where there is one, and recast's."""
    torch.manual_seed(0)
    routes: dict[str, Route] = {NAIVE: Loop(case)}
    if case.forcing == 1:
        routes[FUSED] = Loop(case, fused=True)
    routes |= {name: Recast(case, name) for name in IMPLEMENTATIONS}
    with torch.no_grad():
        for route in routes.values():
            for weight, value in zip(route.weights, routes[NAIVE].weights, strict=True):
                weight.copy_(value)
    return routes


def difference(case: Case) -> float:
    """The largest difference of losses, gradients and forecasts from the naive loop, in float64, for a small network.

    Relative to the largest number of each.

    Raises:
        RuntimeError: if it is no rounding.
    """
    case = case.small
    batch = case.data(torch.float64)
    found = []
    for route in routes_of(case).values():
        route.network.double()
        route.generator.manual_seed(1)
        loss = route.loss(batch)
        gradients = torch.autograd.grad(loss, route.weights)
        with torch.no_grad():
            found.append([loss.detach(), *gradients, route.forecast(batch)])
    reference, *others = found
    worst = max(
        float((one - other).abs().max() / other.abs().max())
        for numbers in others
        for one, other in zip(numbers, reference, strict=True)
    )
    if not worst < TOLERANCE:
        raise RuntimeError(f"{case}: the routes differ by {worst}")
    return worst


def ran(work: Callable[[], object]) -> dict[str, str]:
    """The implementation that the engine chooses for each kind of loop ("open", "closed") in its first use.

    A preferred implementation gives way to the plain one where it cannot compute something, or not as fast.
    """
    heard: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: heard.append(record.getMessage())
    logger = logging.getLogger("recast.nn.recurrence.engine")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        work()
    finally:
        logger.setLevel(level)
        logger.removeHandler(handler)
    found = [re.match(r"recurrence, (\w+) loop: (\w+)", line) for line in heard]
    return {match[1]: match[2] for match in found if match}

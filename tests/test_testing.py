"""The contracts that recast lends to others: all of its own parts keep them, and broken ones are found out."""

from functools import partial
from typing import NamedTuple

import numpy as np
import pytest
import torch
from finding import concrete_classes
from torch import Tensor, nn

import recast.nn.cells
import recast.nn.heads
import recast.nn.schedules
import recast.scoring.baselines
import recast.scoring.metrics
from recast.data.sources.adding import Adding
from recast.data.sources.autoregressive import AR2
from recast.data.sources.sines import TwoSines
from recast.data.sources.tide import TideSimulator
from recast.nn.cells.cell import Cell
from recast.nn.cells.dilated import Dilated
from recast.nn.cells.gru import GRU
from recast.nn.heads.head import Head
from recast.nn.heads.point import Point
from recast.nn.schedules import Constant, Schedule
from recast.options import checked
from recast.scoring.baselines.baseline import Baseline
from recast.scoring.baselines.harmonic import Harmonic
from recast.scoring.baselines.naive import LastValue, Seasonal
from recast.scoring.metrics.lead_metric import LeadMetric
from recast.scoring.metrics.mae import MAE
from recast.testing import check_baseline, check_cell, check_head, check_metric, check_schedule, check_source
from recast.types import Origins

CELLS = {Dilated: partial(Dilated, cell=GRU)}
SHORT = {Seasonal: {"hours": 24.0}, Harmonic: {"constituents": ["M2"]}}


@pytest.mark.parametrize("cell", concrete_classes(recast.nn.cells, Cell))
def test_cells(cell):
    check_cell(CELLS.get(cell, cell), hidden_size=4)


@pytest.mark.parametrize("head", concrete_classes(recast.nn.heads, Head))
def test_heads(head):
    check_head(head())


@pytest.mark.parametrize("schedule", concrete_classes(recast.nn.schedules, Schedule))
def test_schedules(schedule):
    options = {"value": 0.3} if schedule is Constant else {}
    check_schedule(schedule(**options))


@pytest.mark.parametrize("source", [AR2(rows=200), TwoSines(), TideSimulator(days=3), Adding(series=20, length=6)])
def test_sources(source):
    check_source(source)


@pytest.mark.parametrize("baseline", concrete_classes(recast.scoring.baselines, Baseline))
def test_baselines(baseline):
    check_baseline(baseline(**SHORT.get(baseline, {})))


@pytest.mark.parametrize("metric", concrete_classes(recast.scoring.metrics, LeadMetric))
def test_metrics(metric):
    check_metric(metric)


class _State(NamedTuple):
    hidden: Tensor


class Forgetful(Cell[_State]):
    """Its forward pass begins anew wherever it is cut."""

    state_type = _State

    @checked
    def __init__(self, *, input_size: int, hidden_size: int) -> None:
        super().__init__(input_size=input_size, hidden_size=hidden_size)
        self.linear = nn.Linear(input_size + hidden_size, hidden_size)

    def step(self, x: Tensor, state: _State) -> _State:
        return _State(self.linear(torch.cat([x, state.hidden], dim=-1)).tanh())

    def forward(self, inputs: Tensor, state: _State | None = None) -> tuple[Tensor, _State]:
        return super().forward(inputs, None)


class Leaky(Point):
    """It learns from what was not observed."""

    def loss(self, parameters: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        return super().loss(parameters, target)


class Sure(Schedule):
    """Its probability leaves the range."""

    def probability(self, progress: object) -> float:
        return 1.5


class Neighbourly(LastValue):
    """A window's forecast depends on the others."""

    def _forecast(self, origins: Origins) -> np.ndarray:
        return super()._forecast(origins) + origins.context.mean()


class BatchMean(MAE):
    """Batches count alike, whatever their size."""

    def update(self, forecast: object, truth: Tensor, mask: Tensor | None = None) -> None:
        before = self.total.clone(), self.count.clone()
        super().update(forecast, truth, mask)  # pyright: ignore[reportArgumentType]
        self.total = before[0] + (self.total - before[0]) / len(truth)
        self.count = before[1] + 1


class Restless(AR2):
    """It reads another series each time."""

    def read(self) -> object:
        torch.manual_seed(0)
        self.seed = getattr(self, "seed", 0) + 1
        return super().read()


@pytest.mark.parametrize(
    ("check", "broken", "says"),
    [
        (partial(check_cell, hidden_size=3), Forgetful, "two halves"),
        (check_head, Leaky(), "nothing was observed"),
        (check_schedule, Sure(), "the probability 1.5"),
        (check_baseline, Neighbourly(), "Not equal"),
        (check_metric, BatchMean, "batches of them"),
        (check_source, Restless(rows=50), "reading twice"),
    ],
)
def test_broken_parts_are_found_out(check, broken, says):
    with pytest.raises(AssertionError, match=says):
        check(broken)

"""Stacked layers of recurrent cells."""

from collections.abc import Callable, Sequence
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from recast.nn.cells.cell import Cell, each_field
from recast.nn.recurrence.engine import engine
from recast.nn.recurrence.request import OpenLoop, Unrolled

CellFactory = Callable[..., Cell[Any]]


def run(
    cells: Sequence[Cell[Any]],
    inputs: Float[Tensor, "batch time inputs"],
    states: Sequence[Any] | None = None,
    *,
    dropout: Sequence[Tensor] = (),
    outputs_from: int = 0,
    at: tuple[int, ...] | None = None,
) -> Unrolled:
    """Outputs of the top one of several stacked cells, and states of each (open loop).

    Args:
        cells: The cells, lowest first.
        inputs: One input per step.
        states: State of each cell before the first step; none: the initial ones.
        dropout: Factors on the outputs of each cell but the last; none: nothing is dropped.
        outputs_from: First step whose output is needed; the fewer, the faster.
        at: Numbers of steps after which states are needed; none: after all.
    """
    request = OpenLoop(
        layers=cells,
        inputs=inputs,
        states=[None] * len(cells) if states is None else states,
        dropout=dropout,
        at=at or (inputs.shape[1],),
        outputs_from=outputs_from,
    )
    return engine().sequence(request)


def last_of(states: Sequence[Any]) -> list[Any]:
    """The last of the states that `run` gives for each cell."""
    return [each_field(lambda field: field[:, -1], state) for state in states]


class Stack(nn.Module):
    """`layers` cells, each reading the outputs of the one below, with dropout between them (not after the last).

    Args:
        cell: Builds one layer from `input_size`.
        input_size: Inputs at each step.
        layers: Number of layers; with 0 the outputs are the inputs.
        dropout: Probability of dropping an output between layers.
        top: Units of one more layer above these; none: no such layer.
        given_start: Whether it always starts from a state that it is given: a learnt one would never be trained.
    """

    def __init__(
        self,
        *,
        cell: CellFactory,
        input_size: int,
        layers: int,
        dropout: float,
        top: int | None = None,
        given_start: bool = False,
    ) -> None:
        super().__init__()
        self._given_start = given_start
        self.cells = nn.ModuleList()
        self.hidden_size = input_size
        for _ in range(layers):
            self._add(cell(input_size=self.hidden_size))
        if top is not None:
            self._add(cell(input_size=self.hidden_size, hidden_size=top))
        self.dropout = dropout

    @property
    def layers(self) -> list[Cell[Any]]:
        """The cells, lowest first."""
        return [cast("Cell[Any]", cell) for cell in self.cells]

    @property
    def state_sizes(self) -> list[tuple[int, ...]]:
        """The size of each field of each layer's state."""
        return [cell.state_sizes for cell in self.layers]

    def _add(self, cell: Cell[Any]) -> None:
        if self._given_start:
            cell.initial = None
        self.cells.append(cell)
        self.hidden_size = cell.hidden_size

    def forward(
        self,
        inputs: Float[Tensor, "batch time inputs"],
        states: Sequence[Any] | None = None,
        *,
        outputs_from: int = 0,
    ) -> tuple[Float[Tensor, "batch steps hidden"], list[Any]]:
        """Outputs of the top layer and the last state of each layer (open loop).

        Args:
            inputs: One input per step.
            states: State of each layer before the first step; none: the initial ones.
            outputs_from: First step whose output is needed; the fewer, the faster.
        """
        outputs, found = self.unroll(inputs, states, outputs_from=outputs_from)
        return outputs, last_of(found)

    def unroll(
        self,
        inputs: Float[Tensor, "batch time inputs"],
        states: Sequence[Any] | None = None,
        *,
        outputs_from: int = 0,
        at: tuple[int, ...] | None = None,
    ) -> Unrolled:
        """The same with the states after each number of steps in `at`; none: after all."""
        if not self.cells:
            return Unrolled(inputs[:, outputs_from:], [])
        dropout = self.drop(inputs.shape[0], inputs.shape[1], inputs)
        return run(self.layers, inputs, states, dropout=dropout, outputs_from=outputs_from, at=at)

    def drop(self, batch: int, time: int, like: Tensor) -> list[Float[Tensor, "batch time hidden"]]:
        """Factors on the outputs of each layer but the last: 0 where one is dropped, otherwise 1 / (1 - dropout).

        Empty if nothing is dropped.
        """
        if not (self.training and self.dropout):
            return []
        return [
            functional.dropout(torch.ones(batch, time, cell.hidden_size).to(like), self.dropout, training=True)
            for cell in self.layers[:-1]
        ]

    def step(
        self, inputs: Float[Tensor, "batch inputs"], states: list[Any]
    ) -> tuple[Float[Tensor, "batch hidden"], list[Any]]:
        """Output of the top layer after one step, and the new states."""
        output = inputs
        dropout = self.drop(inputs.shape[0], 1, inputs)
        new = []
        for layer, (cell, state) in enumerate(zip(self.layers, states, strict=True)):
            if layer and dropout:
                output = output * dropout[layer - 1][:, 0]
            new.append(cell.step(output, state))
            output = new[-1].hidden
        return output, new

"""Recurrent imputation with decaying inputs and states (GRU-D)."""

from typing import Any, cast, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from recast.data.spec import SeriesSpec
from recast.nn.cells.cell import Cell
from recast.nn.models.decaying_direction import DecayingDirection
from recast.nn.models.imputer import Imputation, Imputer, elapsed_steps, observed_of
from recast.nn.models.stack import CellFactory
from recast.options import checked
from recast.types import Batch


@final
class GruD(Imputer):
    """A recurrent layer whose inputs and states decay while nothing is observed (Che et al. 2018, arXiv 1606.01865).

    With `Decaying` in one direction, as in the paper, a value is filled from what was observed before it alone; with
    both it is the mean of what each says of it.

    Args:
        spec: The data's columns and scaling.
        cell: Builds the recurrent layer of a direction from `input_size`; the paper's is a GRU.
        bidirectional: Whether a second layer, with weights of its own, reads the window backward.
    """

    @checked
    def __init__(self, *, spec: SeriesSpec, cell: CellFactory, bidirectional: bool = False) -> None:
        super().__init__(spec=spec)
        directions = 2 if bidirectional else 1
        self.directions = nn.ModuleList(Decaying(targets=spec.targets, cell=cell) for _ in range(directions))

    def forward(self, batch: Batch) -> Imputation:
        """See the base class."""
        values, observed = batch.history, observed_of(batch)
        estimates = [self.directions[0](values, observed)]
        if len(self.directions) > 1:
            estimates.append(self.directions[1](values.flip(1), observed.flip(1)).flip(1))
        stacked = torch.stack(estimates)
        return Imputation(stacked.mean(dim=0), stacked, stacked.new_zeros(values.shape[0]))


class Decaying(DecayingDirection):
    """One direction of `GruD` (Che et al. 2018, section 2.3, with the readout of each step for imputation).

    With the values x_t, the mask m_t (1 where observed), the elapsed steps d_t since the last observation, and that
    observation l_t:

        a_t = exp(-max(0, w_a * d_t + b_a))               decay of each column
        g_t = exp(-max(0, W_g d_t + b_g))                 decay of the state
        u_t = m_t * x_t + (1 - m_t) * (a_t * l_t + (1 - a_t) * mean)
        h   = g_t * h_(t-1)
        y_t = W h + b                                     the estimate, which has not read x_t
        h_t = cell([u_t, m_t], h)

    `mean` begins at 0, that of standardised data, and is learnt, as other scalings have another. Before the first
    observation l_t is the mean. Of a cell that carries more than its output, the output alone decays.

    Args:
        targets: Columns.
        cell: Builds the recurrent layer from `input_size`.
    """

    def __init__(self, *, targets: int, cell: CellFactory) -> None:
        super().__init__(targets=targets, cell=cell)
        self.mean = nn.Parameter(torch.zeros(targets))
        self.readout = nn.Linear(self.cell.hidden_size, targets)

    def forward(
        self, values: Float[Tensor, "batch steps targets"], observed: Bool[Tensor, "batch steps targets"]
    ) -> Float[Tensor, "batch steps targets"]:
        """The estimate of every value from those before it.

        Args:
            values: The values, zero where not observed.
            observed: True where they were.
        """
        cell, mask = cast("Cell[Any]", self.cell), observed.to(values.dtype)
        elapsed = elapsed_steps(observed).to(values.dtype)
        kept, of_columns = self.decays(elapsed)
        held = torch.lerp(self.mean.expand_as(values), self._last(values, observed), of_columns)
        inputs = torch.cat([values.where(observed, held), mask], dim=-1)
        state = cell.initial_state(values.shape[0], values)
        found = []
        # unbind: the backward pass of inputs[:, t] would allocate the whole tensor at each step.
        for read, decay in zip(inputs.unbind(1), kept.unbind(1), strict=True):
            state = state._replace(hidden=state.hidden * decay)
            found.append(state.hidden)
            state = cell.step(read, state)
        return self.readout(torch.stack(found, dim=1))

    def _last(
        self, values: Float[Tensor, "batch steps targets"], observed: Bool[Tensor, "batch steps targets"]
    ) -> Float[Tensor, "batch steps targets"]:
        """The last observation up to each step; before the first the mean."""
        places = torch.arange(values.shape[1], device=values.device).reshape(1, -1, 1).where(observed, -1)
        last = places.cummax(dim=1).values
        return values.gather(1, last.clamp(min=0)).where(last >= 0, self.mean)

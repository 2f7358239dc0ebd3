"""Bidirectional recurrent imputation (BRITS)."""

from typing import Any, cast, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from recast.data.spec import SeriesSpec
from recast.nn.cells.cell import Cell
from recast.nn.models.decaying_direction import DecayingDirection
from recast.nn.models.imputer import Imputation, Imputer, elapsed_steps, observed_of
from recast.nn.models.stack import CellFactory
from recast.options import NonNegativeFloat, checked
from recast.types import Batch


@final
class Brits(Imputer):
    """Bidirectional recurrent imputation for time series (Cao et al. 2018, "BRITS", arXiv 1805.10572, section 4.3).

    One `Rits` reads the window forward, another backward, each with weights of its own. A value is the mean of what
    both say of it. Where they disagree, that is part of the loss:

        consistency * mean of |forward - backward|

    over all steps and targets.

    Args:
        spec: The data's columns and scaling.
        cell: Builds the recurrent layer of a direction from `input_size`; the paper's is an LSTM.
        consistency: Weight of the disagreement of both directions, beside the mean absolute error of all estimates.
    """

    @checked
    def __init__(self, *, spec: SeriesSpec, cell: CellFactory, consistency: NonNegativeFloat = 0.05) -> None:
        super().__init__(spec=spec)
        self.forward_direction = Rits(targets=spec.targets, cell=cell)
        self.backward_direction = Rits(targets=spec.targets, cell=cell)
        self.consistency = consistency

    def forward(self, batch: Batch) -> Imputation:
        """See the base class."""
        values, observed = batch.history, observed_of(batch)
        ahead = self.forward_direction(values, observed)
        back = self.backward_direction(values.flip(1), observed.flip(1)).flip(2)
        one, other = ahead[-1], back[-1]
        penalty = self.consistency * (one - other).abs().mean(dim=(1, 2))
        return Imputation((one + other) / 2, torch.cat([ahead, back]), penalty)


class Rits(DecayingDirection):
    """Recurrent imputation in one direction, with correlated features (Cao et al. 2018, section 4.2).

    With the values x_t, the mask m_t (1 where observed) and the elapsed steps d_t since the last observation:

        g_t = exp(-max(0, W_g d_t + b_g))             decay of the state
        h   = g_t * h_(t-1)
        p_t = W_x h + b_x                             from the past
        a_t = m_t * x_t + (1 - m_t) * p_t
        z_t = W_z a_t + b_z, the diagonal of W_z 0    from the other columns
        e_t = exp(-max(0, w_e * d_t + b_e))           decay of each column
        w_t = sigmoid(W_b [e_t, m_t] + b_b)
        c_t = w_t * z_t + (1 - w_t) * p_t             both
        u_t = m_t * x_t + (1 - m_t) * c_t
        h_t = cell([u_t, m_t], h)

    As in the authors' program, p_t is read from the decayed state; equation 1 of the paper has the state before the
    decay. Of a cell that carries more than its output, the output alone decays.

    Args:
        targets: Columns.
        cell: Builds the recurrent layer from `input_size`.
    """

    def __init__(self, *, targets: int, cell: CellFactory) -> None:
        super().__init__(targets=targets, cell=cell)
        self.past = nn.Linear(self.cell.hidden_size, targets)
        self.columns = nn.Linear(targets, targets)
        self.share = nn.Linear(2 * targets, targets)
        self.register_buffer("others", 1 - torch.eye(targets), persistent=False)

    def forward(
        self, values: Float[Tensor, "batch steps targets"], observed: Bool[Tensor, "batch steps targets"]
    ) -> Float[Tensor, "3 batch steps targets"]:
        """The estimates p, z and c of every value, none of which has read that value.

        Args:
            values: The values, zero where not observed.
            observed: True where they were.
        """
        cell, mask = cast("Cell[Any]", self.cell), observed.to(values.dtype)
        elapsed = elapsed_steps(observed).to(values.dtype)
        decay, fading = self.decays(elapsed)
        share = torch.sigmoid(self.share(torch.cat([fading, mask], dim=-1)))
        weight = self.columns.weight * cast("Tensor", self.others)
        state = cell.initial_state(values.shape[0], values)
        found: list[list[Tensor]] = [[], [], []]
        # unbind: the backward pass of values[:, t] would allocate the whole tensor at each step.
        steps = zip(*(part.unbind(1) for part in (values, mask, decay, share)), strict=True)
        for x, seen, kept, of_columns in steps:
            state = state._replace(hidden=state.hidden * kept)
            past = self.past(state.hidden)
            columns = functional.linear(torch.lerp(past, x, seen), weight, self.columns.bias)
            both = torch.lerp(past, columns, of_columns)
            state = cell.step(torch.cat([torch.lerp(both, x, seen), seen], dim=-1), state)
            for estimates, estimate in zip(found, (past, columns, both), strict=True):
                estimates.append(estimate)
        return torch.stack([torch.stack(estimates, dim=1) for estimates in found])

"""Recurrent interpolation within columns, then imputation across them (M-RNN)."""

from typing import cast, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from recast.data.spec import SeriesSpec
from recast.nn.models.bidirectional_layers import BidirectionalLayers
from recast.nn.models.imputer import Imputation, Imputer, elapsed_steps, observed_of
from recast.nn.models.stack import CellFactory
from recast.options import checked
from recast.types import Batch


@final
class MRnn(Imputer):
    """A multi-directional recurrent network (Yoon, Zame & van der Schaar 2019, arXiv 1711.08742, section III).

    `Interpolation` estimates a value from its column before and after it (p_t), `Across` from the other columns at its
    step, where p_t stands for what was not observed; the latter is the model's. Neither has read the value that it is
    compared with, and the loss is of both.

    Args:
        spec: The data's columns and scaling.
        cell: Builds the recurrent layer of a direction from `input_size`.
        shared: Whether one interpolation serves all columns, which then run as one batch; in the paper each has its
            own.
    """

    @checked
    def __init__(self, *, spec: SeriesSpec, cell: CellFactory, shared: bool = False) -> None:
        super().__init__(spec=spec)
        self.within = nn.ModuleList(Interpolation(cell=cell) for _ in range(1 if shared else spec.targets))
        self.across = Across(targets=spec.targets)

    def forward(self, batch: Batch) -> Imputation:
        """See the base class."""
        values, observed = batch.history, observed_of(batch)
        mask = observed.to(values.dtype)
        elapsed = elapsed_steps(observed), elapsed_steps(observed.flip(1)).flip(1)
        since, until = (steps.to(values.dtype).log1p() for steps in elapsed)
        columns = torch.stack([values, mask, since, until], dim=-1).permute(2, 0, 1, 3)
        shares = zip(self.within, columns.chunk(len(self.within)), strict=True)
        found = [within(share.flatten(0, 1)).unflatten(0, share.shape[:2]) for within, share in shares]
        within = torch.cat(found).permute(1, 2, 0)
        across = self.across(values.where(observed, within), within, mask)
        return Imputation(across, torch.stack([within, across]), values.new_zeros(values.shape[0]))


class Interpolation(nn.Module):
    """The estimate of each value of a column from those before and after it (section III-A).

    With the values x_t, zero where not observed, the mask m_t (1 where observed), and the steps a_t and b_t since the
    observation before and to that after (`elapsed_steps` in each direction):

        f_t = cell([x_t, m_t, log(1 + a_t), log(1 + b_t)], f_(t-1))       forward
        g_t = cell([x_t, m_t, log(1 + a_t), log(1 + b_t)], g_(t+1))       backward
        p_t = w_f f_(t-1) + w_g g_(t+1) + c

    The paper gives each direction its own elapsed steps, as they are; gaps may be long, hence the logarithm.

    Args:
        cell: Builds the recurrent layer of a direction from `input_size`.
    """

    def __init__(self, *, cell: CellFactory) -> None:
        super().__init__()
        self.layer = BidirectionalLayers(cell=cell, input_size=4, layers=1, dropout=0.0)
        self.readout = nn.Linear(self.layer.hidden_size, 1)

    def forward(self, inputs: Float[Tensor, "batch steps 4"]) -> Float[Tensor, "batch steps"]:
        """p_t for each step; where the window has nothing before or after, the state there counts as zero.

        Args:
            inputs: Value, mask, and the logarithms of elapsed steps.
        """
        ahead, back = self.layer.read(inputs)[0].chunk(2, dim=-1)
        before, after = functional.pad(ahead[:, :-1], (0, 0, 1, 0)), functional.pad(back[:, 1:], (0, 0, 0, 1))
        return self.readout(torch.cat([before, after], dim=-1)).squeeze(-1)


class Across(nn.Module):
    """The estimate of each value from the other columns at its step (section III-B).

    With u_t, which are the observations and, where there was none, the estimates p_t of `Interpolation`:

        h_t = tanh(U u_t + V p_t + C m_t + b)         the diagonal of U 0
        y_t = v * h_t + e

    The paper's y_t goes through a sigmoid, for data between 0 and 1.

    Args:
        targets: Columns.
    """

    def __init__(self, *, targets: int) -> None:
        super().__init__()
        self.values = nn.Linear(targets, targets)
        self.estimates = nn.Linear(targets, targets, bias=False)
        self.masks = nn.Linear(targets, targets, bias=False)
        self.weight = nn.Parameter(torch.ones(targets))
        self.bias = nn.Parameter(torch.zeros(targets))
        self.register_buffer("others", 1 - torch.eye(targets), persistent=False)

    def forward(
        self,
        filled: Float[Tensor, "batch steps targets"],
        estimates: Float[Tensor, "batch steps targets"],
        mask: Float[Tensor, "batch steps targets"],
    ) -> Float[Tensor, "batch steps targets"]:
        """y_t for each step.

        Args:
            filled: u_t.
            estimates: p_t.
            mask: m_t.
        """
        of_others = functional.linear(filled, self.values.weight * cast("Tensor", self.others), self.values.bias)
        return self.weight * torch.tanh(of_others + self.estimates(estimates) + self.masks(mask)) + self.bias

"""What recurrent imputation in one direction has in common: a cell, and decay while nothing is observed."""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from recast.nn.models.stack import CellFactory


class DecayingDirection(nn.Module):
    """A recurrent cell and two decays with the steps d since the last observation of each column.

        state:     exp(-max(0, W_g d + b_g))
        columns:   exp(-max(0, w_e * d + b_e))

    As in GRU-D (Che et al. 2018, arXiv 1606.01865): 1 where nothing decays, never below 0.

    Args:
        targets: Columns.
        cell: Builds the recurrent layer from `input_size`.
    """

    def __init__(self, *, targets: int, cell: CellFactory) -> None:
        super().__init__()
        self.cell = cell(input_size=2 * targets)
        self.state_decay = nn.Linear(targets, self.cell.hidden_size)
        self.column_decay_weight = nn.Parameter(torch.empty(targets))
        self.column_decay_bias = nn.Parameter(torch.empty(targets))
        for parameter in (self.column_decay_weight, self.column_decay_bias):
            nn.init.uniform_(parameter, -(targets**-0.5), targets**-0.5)

    def decays(
        self, elapsed: Float[Tensor, "batch steps targets"]
    ) -> tuple[Float[Tensor, "batch steps hidden"], Float[Tensor, "batch steps targets"]]:
        """That of the state and that of the columns at each step, between 0 and 1.

        Args:
            elapsed: Steps since the last observation; see `recast.nn.models.imputer.elapsed_steps`.
        """
        of_state = torch.exp(-functional.relu(self.state_decay(elapsed)))
        of_columns = torch.exp(-functional.relu(elapsed * self.column_decay_weight + self.column_decay_bias))
        return of_state, of_columns

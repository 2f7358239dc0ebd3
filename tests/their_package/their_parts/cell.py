"""A recurrent unit with one gate for all of its memory (Zhou et al. 2016, "Minimal gated unit", section III)."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from recast.nn.cells.cell import Cell
from recast.options import PositiveInt, checked


class MGUState(NamedTuple):
    hidden: Tensor


class MGU(Cell[MGUState]):
    """f = sigmoid(W x + U h + b); h' = (1 - f) h + f tanh(V x + R (f h) + c).

    Args:
        input_size: Number of inputs at each step.
        hidden_size: Number of outputs at each step. [units]
    """

    state_type = MGUState

    @checked
    def __init__(self, *, input_size: PositiveInt, hidden_size: PositiveInt = 16) -> None:
        super().__init__(input_size=input_size, hidden_size=hidden_size)
        self.gate = nn.Linear(input_size + hidden_size, hidden_size)
        self.candidate = nn.Linear(input_size + hidden_size, hidden_size)

    def step(self, x: Tensor, state: MGUState) -> MGUState:
        """One step."""
        forget = self.gate(torch.cat([x, state.hidden], dim=-1)).sigmoid()
        new = self.candidate(torch.cat([x, forget * state.hidden], dim=-1)).tanh()
        return MGUState((1 - forget) * state.hidden + forget * new)

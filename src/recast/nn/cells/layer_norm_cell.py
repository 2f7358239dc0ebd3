"""The common part of layer-normalised cells."""

from typing import Annotated

import torch
from annotated_types import Ge
from torch import nn

from recast.nn.cells.cell import State
from recast.nn.cells.initialise import RecurrentInit, initialise_recurrent
from recast.nn.cells.projected_cell import ProjectedCell

SeveralUnits = Annotated[int, Ge(2)]
"""Smallest number of units normalised together: a single one would always equal its own mean."""


class LayerNormCell(ProjectedCell[State]):
    """A cell whose summed inputs are normalised over its units at each step (Ba, Kiros & Hinton 2016, section 3).

        LN(a; g, b) = g * (a - mean(a)) / sqrt(var(a) + 1e-5) + b

    with mean and variance over the units of one sample, gains g initialised to one and biases b to zero.

    Weights and the input bias start uniform in ±1/sqrt(hidden_size), as in torch.

    Args:
        input_size: Number of inputs at each step.
        hidden_size: Number of hidden units.
        blocks: Number of summed inputs of each unit: 1, plus one for each gate.
        recurrent_init: How the recurrent weights start; see `recast.nn.cells.initialise.initialise_recurrent`.
        learn_initial_state: Whether the initial state is learnt, starting from zeros; otherwise it is zero.
    """

    def __init__(
        self,
        *,
        input_size: int,
        hidden_size: int,
        blocks: int,
        recurrent_init: RecurrentInit,
        learn_initial_state: bool,
    ) -> None:
        super().__init__(input_size=input_size, hidden_size=hidden_size, learn_initial_state=learn_initial_state)
        self.weight_ih = nn.Parameter(torch.empty(blocks * hidden_size, input_size))
        self.weight_hh = nn.Parameter(torch.empty(blocks * hidden_size, hidden_size))
        self.bias_ih = nn.Parameter(torch.empty(blocks * hidden_size))
        for weight in (self.weight_ih, self.weight_hh, self.bias_ih):
            nn.init.uniform_(weight, -(hidden_size**-0.5), hidden_size**-0.5)
        initialise_recurrent(self.weight_hh, recurrent_init)

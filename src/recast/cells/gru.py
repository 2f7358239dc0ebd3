"""The gated recurrent unit."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recast.cells.torch_cell import TorchCell
from recast.options import PositiveInt, checked


class GRUState(NamedTuple):
    """State of `GRU`."""

    hidden: Float[Tensor, "batch hidden"]


class GRU(TorchCell[GRUState]):
    """Gated recurrent unit (Cho et al. 2014, arXiv 1406.1078, section 2.3), in the form of `torch.nn.GRU`.

        r = sigmoid(W_ir x + b_ir + W_hr h + b_hr)           reset gate
        z = sigmoid(W_iz x + b_iz + W_hz h + b_hz)           update gate
        n = tanh(W_in x + b_in + r * (W_hn h + b_hn))        candidate
        h' = (1 - z) * n + z * h

    The weights are those of `torch.nn.GRU`, initialised as there: uniform in ±1/sqrt(hidden_size).

    Args:
        input_size: Number of inputs at each step.
        hidden_size: Number of hidden units.
        update_bias: Added to b_iz at the start. A state then decays over about 1 + exp(update_bias) steps, so that a
            positive value starts the cell with a long memory: 3 gives about 21 steps. Compare the chrono
            initialisation of Tallec & Ollivier 2018, arXiv 1804.11188, section 2, which spreads the time scales.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    state_type = GRUState

    @checked
    def __init__(self, *, input_size: PositiveInt, hidden_size: PositiveInt = 64, update_bias: float = 0.0) -> None:
        super().__init__(input_size=input_size, hidden_size=hidden_size)
        self.rnn = nn.GRU(input_size, hidden_size, batch_first=True)
        with torch.no_grad():
            _, _, bias_ih, _ = self.weights
            bias_ih[hidden_size : 2 * hidden_size] += update_bias

    def step(self, x: Float[Tensor, "batch input"], state: GRUState) -> GRUState:
        """The state after one more input."""
        return GRUState(torch.gru_cell(x, state.hidden, *self.weights))

"""The long short-term memory."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recast.cells.torch_cell import TorchCell
from recast.options import PositiveInt, checked


class LSTMState(NamedTuple):
    """State of `LSTM`."""

    hidden: Float[Tensor, "batch hidden"]
    cell: Float[Tensor, "batch hidden"]


class LSTM(TorchCell[LSTMState]):
    """Long short-term memory with forget gate (Gers et al. 2000, "Learning to forget"), without peepholes.

        i = sigmoid(W_ii x + b_ii + W_hi h + b_hi)           input gate
        f = sigmoid(W_if x + b_if + W_hf h + b_hf)           forget gate
        g = tanh(W_ig x + b_ig + W_hg h + b_hg)              candidate
        o = sigmoid(W_io x + b_io + W_ho h + b_ho)           output gate
        c' = f * c + i * g
        h' = o * tanh(c')

    The weights are those of `torch.nn.LSTM`, initialised as there: uniform in ±1/sqrt(hidden_size).

    Args:
        input_size: Number of inputs at each step.
        hidden_size: Number of hidden units.
        forget_bias: Added to b_if at the start. The cell's content then decays over about 1 + exp(forget_bias) steps,
            so that a positive value starts the cell with a long memory. Jozefowicz et al. 2015, "An empirical
            exploration of recurrent network architectures", recommend 1.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    state_type = LSTMState

    @checked
    def __init__(self, *, input_size: PositiveInt, hidden_size: PositiveInt = 64, forget_bias: float = 0.0) -> None:
        super().__init__(input_size=input_size, hidden_size=hidden_size)
        self.rnn = nn.LSTM(input_size, hidden_size, batch_first=True)
        with torch.no_grad():
            _, _, bias_ih, _ = self.weights
            bias_ih[hidden_size : 2 * hidden_size] += forget_bias

    def step(self, x: Float[Tensor, "batch input"], state: LSTMState) -> LSTMState:
        """The state after one more input."""
        return LSTMState(*torch.lstm_cell(x, state, *self.weights))

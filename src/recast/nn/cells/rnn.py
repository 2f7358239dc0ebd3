"""The simple recurrent cell."""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recast.nn.cells.initialise import RecurrentInit
from recast.nn.cells.torch_cell import TorchCell
from recast.options import PositiveInt, checked


class RNNState(NamedTuple):
    """State of `RNN`."""

    hidden: Float[Tensor, "batch hidden"]


class RNN(TorchCell[RNNState]):
    """Simple recurrent cell (Elman 1990, "Finding structure in time").

        h' = f(W_ih x + b_ih + W_hh h + b_hh)

    The weights are those of `torch.nn.RNN`, initialised as there: uniform in ±1/sqrt(hidden_size).

    Args:
        input_size: Number of inputs at each step.
        hidden_size: Number of hidden units.
        nonlinearity: The function f. "relu" is unbounded: states may grow with the length of the sequence.
        recurrent_init: How W_hh starts: "uniform" as in torch; "orthogonal", which preserves the norm of the state
            (Saxe et al. 2014, arXiv 1312.6120, section 3); or "identity" with zero biases, meant for "relu", which then
            starts by summing its inputs (IRNN; Le, Jaitly & Hinton 2015, arXiv 1504.00941, section 3; the input weights
            stay uniform).
        learn_initial_state: Whether the initial state is learnt, starting from zeros; otherwise it is zero.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    state_type = RNNState

    @checked
    def __init__(
        self,
        *,
        input_size: PositiveInt,
        hidden_size: PositiveInt = 64,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        recurrent_init: RecurrentInit = "uniform",
        learn_initial_state: bool = False,
    ) -> None:
        super().__init__(
            rnn=nn.RNN(input_size, hidden_size, nonlinearity=nonlinearity, batch_first=True),
            recurrent_init=recurrent_init,
            learn_initial_state=learn_initial_state,
        )
        if recurrent_init == "identity":
            _, _, bias_ih, bias_hh = self.weights
            nn.init.zeros_(bias_ih)
            nn.init.zeros_(bias_hh)
        self.kind = "rnn" if nonlinearity == "tanh" else None
        self._step = torch.rnn_tanh_cell if nonlinearity == "tanh" else torch.rnn_relu_cell

    def step(self, x: Float[Tensor, "batch input"], state: RNNState) -> RNNState:
        """The state after one more input."""
        return RNNState(self._step(x, state.hidden, *self.weights))

"""The long short-term memory with peephole connections."""

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from recast.nn.cells.gate_init import ConstantBias, GateInit
from recast.nn.cells.initialise import RecurrentInit, initialise_recurrent
from recast.nn.cells.projected_cell import ProjectedCell
from recast.options import PositiveInt, checked


class PeepholeLSTMState(NamedTuple):
    """State of `PeepholeLSTM`."""

    hidden: Float[Tensor, "batch hidden"]
    cell: Float[Tensor, "batch hidden"]


class PeepholeLSTM(ProjectedCell[PeepholeLSTMState]):
    """Long short-term memory whose gates see the cell (Gers & Schmidhuber 2000, "Recurrent nets that time and count").

        i = sigmoid(W_ii x + W_hi h + p_i * c + b_i)         input gate
        f = sigmoid(W_if x + W_hf h + p_f * c + b_f)         forget gate
        g = tanh(W_ig x + W_hg h + b_g)                      candidate
        c' = f * c + i * g
        o = sigmoid(W_io x + W_ho h + p_o * c' + b_o)        output gate
        h' = o * tanh(c')

    While the output gate of an `LSTM` is closed, its gates know nothing of c. Here each unit's gates read its own c
    directly: input and forget gate the old one, the output gate the new one (Gers, Schraudolph & Schmidhuber 2002,
    "Learning precise timing with LSTM recurrent networks", section 3). That serves timing and counting. With p = 0 this
    is `LSTM`.

    The two papers squash g and the output otherwise and cut gradients between units; the functions here, and the whole
    gradient, are those in use since (Graves 2013, arXiv 1308.0850, equations 7 to 11).

    Weights, peepholes and biases start uniform in ±1/sqrt(hidden_size), as in `torch.nn.LSTM`.

    Args:
        input_size: Number of inputs at each step.
        hidden_size: Number of hidden units.
        gate_init: How the biases of the forget gate and of the input gate start; none: `ConstantBias`, a memory of
            about 21 steps.
        recurrent_init: How the recurrent weights start; see `recast.nn.cells.initialise.initialise_recurrent`.
        learn_initial_state: Whether the initial state is learnt, starting from zeros; otherwise it is zero.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    state_type = PeepholeLSTMState
    kind = "peephole_lstm"

    @checked
    def __init__(
        self,
        *,
        input_size: PositiveInt,
        hidden_size: PositiveInt = 64,
        gate_init: GateInit | None = None,
        recurrent_init: RecurrentInit = "uniform",
        learn_initial_state: bool = False,
    ) -> None:
        super().__init__(input_size=input_size, hidden_size=hidden_size, learn_initial_state=learn_initial_state)
        self.weight_ih = nn.Parameter(torch.empty(4 * hidden_size, input_size))
        self.weight_hh = nn.Parameter(torch.empty(4 * hidden_size, hidden_size))
        self.bias = nn.Parameter(torch.empty(4 * hidden_size))
        self.peepholes = nn.Parameter(torch.empty(3 * hidden_size))
        for weight in (self.weight_ih, self.weight_hh, self.bias, self.peepholes):
            nn.init.uniform_(weight, -(hidden_size**-0.5), hidden_size**-0.5)
        initialise_recurrent(self.weight_hh, recurrent_init)
        with torch.no_grad():
            i, f, _, _ = self.bias.chunk(4)
            (gate_init or ConstantBias()).initialise([f], [i])

    @property
    def weights(self) -> list[Tensor]:
        """weight_ih, weight_hh, the bias, and the peepholes."""
        return [self.weight_ih, self.weight_hh, self.bias, self.peepholes]

    def read(self, x: Float[Tensor, "*steps input"]) -> Float[Tensor, "*steps units"]:
        """W_i x + b."""
        return functional.linear(x, self.weight_ih, self.bias)

    def advance(self, read: Float[Tensor, "batch units"], state: PeepholeLSTMState) -> PeepholeLSTMState:
        """The state after one more step."""
        _, _, o, content = self._gates(read, state)
        return PeepholeLSTMState(o * content.tanh(), content)

    def gates(
        self, x: Float[Tensor, "batch input"], state: PeepholeLSTMState
    ) -> dict[str, Float[Tensor, "batch units"]]:
        """The gates "input" (i), "forget" (f) and "output" (o)."""
        i, f, o, _ = self._gates(self.read(x), state)
        return {"input": i, "forget": f, "output": o}

    def _gates(
        self, read: Float[Tensor, "batch units"], state: PeepholeLSTMState
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The gates i, f and o, and the new cell."""
        i, f, g, o = (read + functional.linear(state.hidden, self.weight_hh)).chunk(4, dim=1)
        into_i, into_f, into_o = self.peepholes.chunk(3)
        i, f = (i + into_i * state.cell).sigmoid(), (f + into_f * state.cell).sigmoid()
        content = f * state.cell + i * g.tanh()
        return i, f, (o + into_o * content).sigmoid(), content

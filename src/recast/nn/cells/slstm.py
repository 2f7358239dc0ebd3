"""The long short-term memory with exponential gates."""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from recast.errors import ConfigurationError
from recast.nn.cells.gate_init import ConstantBias, GateInit
from recast.nn.cells.initialise import RecurrentInit, initialise_recurrent
from recast.nn.cells.projected_cell import ProjectedCell
from recast.options import PositiveInt, checked


class SLSTMState(NamedTuple):
    """State of `SLSTM`: `cell` and `normaliser` are c and n times exp(-`stabiliser`)."""

    hidden: Float[Tensor, "batch hidden"]
    cell: Float[Tensor, "batch hidden"]
    normaliser: Float[Tensor, "batch hidden"]
    stabiliser: Float[Tensor, "batch hidden"]


class SLSTM(ProjectedCell[SLSTMState]):
    """The scalar long short-term memory of xLSTM (Beck et al. 2024, arXiv 2405.04517, section 2.2).

        i = exp(W_ii x + R_i h + b_i)                        input gate
        f = sigmoid(W_if x + R_f h + b_f), or exp(...)       forget gate
        z = tanh(W_iz x + R_z h + b_z)                       candidate
        o = sigmoid(W_io x + R_o h + b_o)                    output gate
        c' = f * c + i * z
        n' = f * n + i
        h' = o * c' / n'

    c' / n' is a mean of all candidates weighted by their input gates and what has been forgotten since, so that one
    important step can outweigh, and so revise, everything stored before.

    The gates are computed as exp(log i - m') and exp(log f + m - m') with the stabiliser m' = max(log f + m, log i)
    (equations 15 to 17), which changes no output. A unit that has written nothing yet, n = 0, takes m' = log i, so that
    nothing overflows or vanishes however large or small its gates are. Once n is positive it remains at least 1; if a
    learnt or mapped state gives a negative n, its absolute value is used.

    With several heads the matrices R are block-diagonal: a unit reads the units of its own head alone (section 2.2,
    "new memory mixing").

    Weights and biases start uniform in ±1/sqrt(hidden_size), as in `torch.nn.LSTM`.

    Args:
        input_size: Number of inputs at each step.
        hidden_size: Number of hidden units.
        heads: Number of blocks of the recurrent matrices; divides `hidden_size`.
        forget_gate: The function of the forget gate: "sigmoid" or "exponential".
        gate_init: How the biases b_f and b_i start; none: `ConstantBias`, a memory of about 21 steps. An exponential
            forget gate starts with log sigmoid of it, the same memory.
        recurrent_init: How each block of R starts; see `recast.nn.cells.initialise.initialise_recurrent`.
        learn_initial_state: Whether the initial state is learnt, starting from zeros; otherwise it is zero.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range, or heads do not divide hidden_size.
    """

    state_type = SLSTMState

    @checked
    def __init__(
        self,
        *,
        input_size: PositiveInt,
        hidden_size: PositiveInt = 64,
        heads: PositiveInt = 1,
        forget_gate: Literal["sigmoid", "exponential"] = "sigmoid",
        gate_init: GateInit | None = None,
        recurrent_init: RecurrentInit = "uniform",
        learn_initial_state: bool = False,
    ) -> None:
        if hidden_size % heads:
            raise ConfigurationError(
                f"SLSTM: heads={heads} does not divide hidden_size={hidden_size}; choose a divisor of it"
            )
        super().__init__(input_size=input_size, hidden_size=hidden_size, learn_initial_state=learn_initial_state)
        self.heads = heads
        self.forget_gate = forget_gate
        self.kind = "slstm" if forget_gate == "sigmoid" else "slstm_exponential"
        self.weight_ih = nn.Parameter(torch.empty(4 * hidden_size, input_size))
        self.weight_hh = nn.Parameter(torch.empty(4 * hidden_size, hidden_size // heads))
        self.bias = nn.Parameter(torch.empty(4 * hidden_size))
        for weight in (self.weight_ih, self.weight_hh, self.bias):
            nn.init.uniform_(weight, -(hidden_size**-0.5), hidden_size**-0.5)
        initialise_recurrent(self.weight_hh, recurrent_init)
        with torch.no_grad():
            i, f, _, _ = self.bias.chunk(4)
            (gate_init or ConstantBias()).initialise([f], [i])
            if forget_gate == "exponential":
                f.copy_(functional.logsigmoid(f))

    @property
    def weights(self) -> list[Tensor]:
        """weight_ih, weight_hh (the blocks of each gate), and the bias."""
        return [self.weight_ih, self.weight_hh, self.bias]

    def read(self, x: Float[Tensor, "*steps input"]) -> Float[Tensor, "*steps units"]:
        """W_i x + b."""
        return functional.linear(x, self.weight_ih, self.bias)

    def advance(self, read: Float[Tensor, "batch units"], state: SLSTMState) -> SLSTMState:
        """The state after one more step."""
        input_gate, forget_gate, candidate, output_gate, stabiliser = self._gates(read, state)
        cell = forget_gate * state.cell + input_gate * candidate
        normaliser = forget_gate * _absolute(state.normaliser) + input_gate
        return SLSTMState(output_gate * cell / normaliser, cell, normaliser, stabiliser)

    def gates(self, x: Float[Tensor, "batch input"], state: SLSTMState) -> dict[str, Float[Tensor, "batch units"]]:
        """The weights "input" and "forget" of the candidate and of c / n in c' / n', of sum 1; and "output" (o)."""
        input_gate, forget_gate, _, output_gate, _ = self._gates(self.read(x), state)
        kept = forget_gate * _absolute(state.normaliser)
        return {"input": input_gate / (kept + input_gate), "forget": kept / (kept + input_gate), "output": output_gate}

    def _gates(
        self, read: Float[Tensor, "batch units"], state: SLSTMState
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        """The stabilised gates i and f, the candidate, the gate o, and the new stabiliser."""
        i, f, z, o = (read + self._mixed(state.hidden)).chunk(4, dim=1)
        kept = (functional.logsigmoid(f) if self.forget_gate == "sigmoid" else f) + state.stabiliser
        stabiliser = torch.where(state.normaliser == 0, i, torch.maximum(kept, i))
        forget_gate = (kept - stabiliser).clamp(max=0).exp()
        return (i - stabiliser).exp(), forget_gate, z.tanh(), o.sigmoid(), stabiliser

    def _mixed(self, hidden: Float[Tensor, "batch hidden"]) -> Float[Tensor, "batch units"]:
        """R h for all gates."""
        if self.heads == 1:
            return functional.linear(hidden, self.weight_hh)
        blocks = self.weight_hh.unflatten(0, (4, self.heads, -1))
        return torch.einsum("bhj,ghij->bghi", hidden.unflatten(1, (self.heads, -1)), blocks).flatten(1)


def _absolute(values: Tensor) -> Tensor:
    """The absolute value, with the derivative 1 at zero, where a learnt start begins."""
    return torch.where(values < 0, -values, values)

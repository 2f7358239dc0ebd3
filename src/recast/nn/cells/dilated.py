"""Any cell, with its recurrence stretched over several steps and its last outputs fused."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recast.errors import ConfigurationError
from recast.nn.cells.cell import Cell
from recast.nn.cells.gru import GRU
from recast.options import PositiveInt, checked


class DilatedState(NamedTuple):
    """State of `Dilated`; the next step reads only the memory.

    hidden: the fused output; memory: the concatenated states of the inner cell after the last `stride` steps, oldest
    step first, with the output last in each step.
    """

    hidden: Float[Tensor, "batch hidden"]
    memory: Float[Tensor, "batch memory"]


class Dilated(Cell[DilatedState]):
    """Another cell whose state after a step depends on that `stride` steps before, rather than on the last one.

        s_t = cell(x_t, s_{t - stride})
        hidden_t = sum over k = 0 .. stride - 1 of W_k h_{t - k},    h_t: the output in s_t

    The dilated recurrent skip connection of Chang et al. 2017, "Dilated recurrent neural networks", arXiv 1710.02224,
    section 2.1. The cell runs over `stride` interleaved sequences (phases) that do not interact, each `stride` times
    shorter; a memory of n of its own steps spans n * stride steps of the data, and all phases run as one batch.

    The learnt fusion W joins the phases, so that an output sees every input up to its own step. It is the last layer of
    the paper's section 2.2, a convolution of width `stride` (there for networks whose smallest stride is above 1), here
    within every layer and without bias. At the start W_0 is the identity, and the others are drawn uniformly from
    +-1 / sqrt(stride * hidden_size), as in a linear layer of that many inputs: the newest output passes unchanged, with
    the older ones mixed in.

    The recurrence involves only the inner states, not the fused outputs. A decoder takes over the encoder's inner
    states and fuses them with its own W; that of the encoder's last layer is then used, and trained, only where the
    encoder's outputs are read, as by attention.

    Args:
        input_size: Number of inputs at each step.
        hidden_size: Number of outputs at each step; also passed to the inner cell.
        cell: The inner cell.
        stride: How far back the recurrence reaches, and how many outputs are fused; with 1 this is the inner cell,
            without W. [steps]
        learn_initial_state: Whether the `stride` inner states before the first step are learnt, each separately,
            starting from zeros; otherwise each is the initial state of the inner cell.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range, if the inner cell is given another
            size, or if the initial state is learnt both here and in it.
    """

    state_type = DilatedState
    reads_hidden = False

    @checked
    def __init__(
        self,
        *,
        input_size: PositiveInt,
        hidden_size: PositiveInt = 64,
        cell: Callable[..., Cell[Any]] = GRU,
        stride: PositiveInt = 2,
        learn_initial_state: bool = False,
    ) -> None:
        _refuse_contradictions(cell, hidden_size, learn_initial_state=learn_initial_state)
        inner = cell(input_size=input_size, hidden_size=hidden_size)
        memory = stride * sum(inner.state_sizes)
        super().__init__(input_size=input_size, hidden_size=hidden_size, state_sizes=(hidden_size, memory))
        self.cell = inner
        self.stride = stride
        self.fusion = _newest_passes(stride, hidden_size) if stride > 1 else None
        if learn_initial_state:
            # Only the memory: the output follows from it, and no step reads the output.
            self.initial = nn.ParameterList([nn.Parameter(torch.zeros(memory))])

    def initial_state(self, batch: int, like: Tensor) -> DilatedState:
        """The initial state, its output fused like any other; see `Cell.initial_state`."""
        if self.initial is not None:
            (start,) = self.initial
            return self._state(start.to(like.dtype).expand(batch, -1))
        start = self.cell.initial_state(batch, like)
        return self._state(_side_by_side(start).repeat(1, self.stride))

    def step(self, x: Float[Tensor, "batch input"], state: DilatedState) -> DilatedState:
        """The state after one more input."""
        oldest, others = self._oldest(state)
        after = self.cell.step(x, oldest)
        return self._state(torch.cat([others, _side_by_side(after)], dim=1))

    def output_weights(self) -> Iterator[nn.Parameter]:
        """The fusion."""
        return iter(()) if self.fusion is None else self.fusion.parameters()

    def gates(self, x: Float[Tensor, "batch input"], state: DilatedState) -> dict[str, Float[Tensor, "batch units"]]:
        """Those of the inner cell, stepping from the state `stride` steps back."""
        oldest, _ = self._oldest(state)
        return self.cell.gates(x, oldest)

    def forward(
        self, inputs: Float[Tensor, "batch time input"], state: DilatedState | None = None
    ) -> tuple[Float[Tensor, "batch time hidden"], DilatedState]:
        """Runs over a sequence, with the phases as one batch, then fuses all outputs at once; see `Cell.forward`."""
        batch, time, _ = inputs.shape
        before = self.initial_state(batch, inputs) if state is None else state
        states = before.memory.unflatten(1, (self.stride, -1))
        rounds, left = divmod(int(time), self.stride)
        whole = rounds * self.stride
        outputs = [states[:, 1:, -self.hidden_size :]]
        if rounds:
            # (batch, rounds, stride) -> one sequence of `rounds` steps for each phase.
            interleaved = inputs[:, :whole].unflatten(1, (rounds, self.stride)).transpose(1, 2).flatten(0, 1)
            found, after = self.cell(interleaved, self._inner(states.flatten(0, 1)))
            outputs.append(found.unflatten(0, (batch, self.stride)).transpose(1, 2).flatten(1, 2))
            states = _side_by_side(after).unflatten(0, (batch, self.stride))
        if left:
            # The first phases have one more input; each gets at most one, so that a single step processes them all.
            after = self.cell.step(inputs[:, whole:].flatten(0, 1), self._inner(states[:, :left].flatten(0, 1)))
            outputs.append(after.hidden.unflatten(0, (batch, left)))
            newest = _side_by_side(after).unflatten(0, (batch, left))
            states = torch.cat([states[:, left:], newest], dim=1)
        fused = self._fuse(torch.cat(outputs, dim=1))
        return fused, DilatedState(fused[:, -1], states.flatten(1))

    def _oldest(self, state: DilatedState) -> tuple[Any, Tensor]:
        """The state `stride` steps back, and those after it, concatenated."""
        size = state.memory.shape[1] // self.stride
        return self._inner(state.memory[:, :size]), state.memory[:, size:]

    def _inner(self, states: Float[Tensor, "batch size"]) -> Any:
        """The inverse of `_side_by_side`."""
        first, *others = self.cell.state_sizes
        *parts, hidden = states.split([*others, first], dim=1)
        return self.cell.state_type(hidden, *parts)

    def _state(self, memory: Float[Tensor, "batch memory"]) -> DilatedState:
        outputs = memory.unflatten(1, (self.stride, -1))[..., -self.hidden_size :]
        return DilatedState(self._fuse(outputs).squeeze(1), memory)

    def _fuse(self, outputs: Float[Tensor, "batch held hidden"]) -> Float[Tensor, "batch time hidden"]:
        """The fused output of each step but the first `stride - 1`, which only serve as history."""
        if self.fusion is None:
            return outputs
        time = outputs.shape[1] - self.stride + 1
        return self.fusion(torch.cat([outputs[:, first : first + time] for first in range(self.stride)], dim=2))


@torch.no_grad()
def _newest_passes(stride: int, size: int) -> nn.Linear:
    """The fusion at initialisation; its inputs are the outputs of `stride` steps, oldest first."""
    fusion = nn.Linear(stride * size, size, bias=False)
    fusion.weight[:, -size:] = torch.eye(size)
    return fusion


def _side_by_side(state: Any) -> Float[Tensor, "batch size"]:
    hidden, *others = state
    return torch.cat([*others, hidden], dim=1)


def _refuse_contradictions(cell: Callable[..., Any], hidden_size: int, *, learn_initial_state: bool) -> None:
    given = cell.keywords if isinstance(cell, partial) else {}
    if given.get("hidden_size", hidden_size) != hidden_size:
        raise ConfigurationError(
            f"Dilated: hidden_size={hidden_size}, but the inner cell is given hidden_size={given['hidden_size']}; "
            "it has the size of Dilated: set it only there"
        )
    if learn_initial_state and given.get("learn_initial_state"):
        raise ConfigurationError(
            "Dilated: learn_initial_state=True here and in the inner cell; learn a state for each phase here, or one "
            "for all phases there"
        )

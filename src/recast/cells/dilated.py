"""Any cell, with its recurrence stretched over several steps."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from recast.cells.cell import Cell
from recast.cells.gru import GRU
from recast.errors import ConfigurationError
from recast.options import PositiveInt, checked


class DilatedState(NamedTuple):
    """State of `Dilated`: the states of the inner cell after the last `stride` steps, side by side.

    hidden: the newest output; memory: all else, oldest step first, in each step the output last.
    """

    hidden: Float[Tensor, "batch hidden"]
    memory: Float[Tensor, "batch memory"]


class Dilated(Cell[DilatedState]):
    """Another cell whose state after a step depends on that `stride` steps before, rather than on the last one.

        s_t = cell(x_t, s_{t - stride})

    The dilated recurrent skip connection of Chang et al. 2017, "Dilated recurrent neural networks", arXiv 1710.02224,
    section 2.1. The cell runs over `stride` interleaved sequences that do not see each other, each `stride` times
    shorter; a memory of n of its own steps spans n * stride steps of the data, and they are run at once as one batch.
    An output sees the inputs of its own phase only, every `stride`-th; layers of one stride do not change that. In the
    paper (section 2.2) strides grow from layer to layer, and the phases meet in the layer of stride 1.

    Args:
        input_size: Number of inputs at each step.
        hidden_size: Number of outputs at each step; also handed to the inner cell.
        cell: The inner cell.
        stride: How far back the recurrence reaches; with 1 this is the inner cell. [steps]
        learn_initial_state: Whether the `stride` states before the first step are learnt, each by itself, from zeros;
            else each is the initial state of the inner cell.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range, if the inner cell is given another
            size, or if the initial state is learnt both here and in it.
    """

    state_type = DilatedState

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
        rest = stride * sum(inner.state_sizes) - hidden_size
        super().__init__(
            input_size=input_size,
            hidden_size=hidden_size,
            state_sizes=(hidden_size, rest),
            learn_initial_state=learn_initial_state,
        )
        self.cell = inner
        self.stride = stride

    def initial_state(self, batch: int, like: Tensor) -> DilatedState:
        """The state before the first step; see `Cell.initial_state`."""
        if self.initial is not None:
            return super().initial_state(batch, like)
        start = self.cell.initial_state(batch, like)
        return self._state(_side_by_side(start).repeat(1, self.stride))

    def step(self, x: Float[Tensor, "batch input"], state: DilatedState) -> DilatedState:
        """The state after one more input."""
        oldest, others = self._oldest(state)
        after = self.cell.step(x, oldest)
        return self._state(torch.cat([others, _side_by_side(after)], dim=1))

    def gates(self, x: Float[Tensor, "batch input"], state: DilatedState) -> dict[str, Float[Tensor, "batch units"]]:
        """Those of the inner cell, stepping from the state `stride` steps back."""
        oldest, _ = self._oldest(state)
        return self.cell.gates(x, oldest)

    def forward(
        self, inputs: Float[Tensor, "batch time input"], state: DilatedState | None = None
    ) -> tuple[Float[Tensor, "batch time hidden"], DilatedState]:
        """Runs over a sequence, the interleaved sequences as one batch; see `Cell.forward`."""
        batch, time, _ = inputs.shape
        before = self.initial_state(batch, inputs) if state is None else state
        states = torch.cat([before.memory, before.hidden], dim=1).unflatten(1, (self.stride, -1))
        rounds, left = divmod(time, self.stride)
        whole = rounds * self.stride
        outputs = []
        if rounds:
            # (batch, rounds, stride) -> one sequence of `rounds` steps for each phase.
            interleaved = inputs[:, :whole].unflatten(1, (rounds, self.stride)).transpose(1, 2).flatten(0, 1)
            found, after = self.cell(interleaved, self._inner(states.flatten(0, 1)))
            outputs.append(found.unflatten(0, (batch, self.stride)).transpose(1, 2).flatten(1, 2))
            states = _side_by_side(after).unflatten(0, (batch, self.stride))
        if left:
            # The first phases have one input more; as no two of them meet, it is one step for all of them.
            after = self.cell.step(inputs[:, whole:].flatten(0, 1), self._inner(states[:, :left].flatten(0, 1)))
            outputs.append(after.hidden.unflatten(0, (batch, left)))
            newest = _side_by_side(after).unflatten(0, (batch, left))
            states = torch.cat([states[:, left:], newest], dim=1)
        return torch.cat(outputs, dim=1), self._state(states.flatten(1))

    def _oldest(self, state: DilatedState) -> tuple[Any, Tensor]:
        """The state `stride` steps back, and those after it side by side."""
        states = torch.cat([state.memory, state.hidden], dim=1)
        size = states.shape[1] // self.stride
        return self._inner(states[:, :size]), states[:, size:]

    def _inner(self, states: Float[Tensor, "batch size"]) -> Any:
        """The inverse of `_side_by_side`."""
        first, *others = self.cell.state_sizes
        *parts, hidden = states.split([*others, first], dim=1)
        return self.cell.state_type(hidden, *parts)

    def _state(self, states: Float[Tensor, "batch size"]) -> DilatedState:
        return DilatedState(states[:, -self.hidden_size :], states[:, : -self.hidden_size])


def _side_by_side(state: Any) -> Float[Tensor, "batch size"]:
    hidden, *others = state
    return torch.cat([*others, hidden], dim=1)


def _refuse_contradictions(cell: Callable[..., Any], hidden_size: int, *, learn_initial_state: bool) -> None:
    given = cell.keywords if isinstance(cell, partial) else {}
    if given.get("hidden_size", hidden_size) != hidden_size:
        raise ConfigurationError(
            f"Dilated: hidden_size={hidden_size}, but the inner cell is given hidden_size={given['hidden_size']}; "
            "it has the size of Dilated: give it there alone"
        )
    if learn_initial_state and given.get("learn_initial_state"):
        raise ConfigurationError(
            "Dilated: learn_initial_state=True here and in the inner cell; learn a state for each phase here, or one "
            "for all phases there"
        )

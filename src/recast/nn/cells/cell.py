"""The interface of recurrent cells: a step that defines the cell, and an equivalent, possibly faster, sequence pass."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn


@runtime_checkable
class CellState(Protocol):
    """What a cell carries from step to step: a NamedTuple of tensors (batch, size) whose first field is `hidden`."""

    @property
    def hidden(self) -> Tensor:
        """The output of the last step."""
        ...


State = TypeVar("State", bound=CellState)


def each_field(change: Callable[..., Tensor], *states: Any) -> Any:
    """The state each of whose tensors is `change` of that tensor of all `states`, which are of one type."""
    return states[0]._make(map(change, *states))


class Cell(nn.Module, ABC, Generic[State]):
    """One recurrent layer: `state = step(x, state)`; its output is `state.hidden`.

    A new cell subclasses this, sets `state_type` and implements `step`. It may override `forward` with something faster
    that gives the same values and gradients.

    Args:
        input_size: Number of inputs at each step.
        hidden_size: Number of outputs at each step.
        state_sizes: Size of each field of the state; none: `hidden_size` each.
        learn_initial_state: Whether the initial state is learnt, starting from zeros; otherwise it is zero.

    Attributes:
        state_type: The NamedTuple of the state.
        reads_hidden: Whether a step reads the output of the one before.
        scans: Whether it runs over a sequence by a scan, all steps at once, and not step by step.
        kind: Which of the cells with fast recurrences it is; None: it runs through its own `step` and `forward`.
    """

    state_type: ClassVar[type[Any]]
    reads_hidden: ClassVar[bool] = True
    scans: bool = False
    kind: Literal["rnn", "gru", "lstm", "peephole_lstm", "slstm", "slstm_exponential"] | None = None

    def __init__(
        self,
        *,
        input_size: int,
        hidden_size: int,
        state_sizes: tuple[int, ...] | None = None,
        learn_initial_state: bool = False,
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.state_sizes = state_sizes or (hidden_size,) * len(self.state_type._fields)
        self.initial = (
            nn.ParameterList([nn.Parameter(torch.zeros(size)) for size in self.state_sizes])
            if learn_initial_state
            else None
        )

    def initial_state(self, batch: int, like: Tensor) -> State:
        """The state before the first step.

        Args:
            batch: Number of sequences.
            like: A tensor whose dtype and device are used.
        """
        if self.initial is None:
            return self.state_type(*(like.new_zeros(batch, size) for size in self.state_sizes))
        return self.state_type(*(start.to(like.dtype).expand(batch, -1) for start in self.initial))

    @property
    def weights(self) -> list[Tensor]:
        """All of the recurrence, if it has a `kind`: weight_ih, weight_hh, biases, and others of its own."""
        return []

    @abstractmethod
    def step(self, x: Float[Tensor, "batch input"], state: State) -> State:
        """The state after one more input."""

    def output_weights(self) -> Iterator[nn.Parameter]:
        """Weights that affect only the outputs, so that they are not trained where only states are read; often none."""
        return iter(())

    def gates(self, x: Float[Tensor, "batch input"], state: State) -> dict[str, Float[Tensor, "batch units"]]:
        """Values of the gates, between 0 and 1, in the step from `state` with input `x`, by name.

        None for a cell without gates.
        """
        return {}

    def forward(
        self, inputs: Float[Tensor, "batch time input"], state: State | None = None
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        """Runs over a sequence of at least one step.

        Args:
            inputs: One input per step.
            state: The state before the first step; None: the initial state.

        Returns:
            The output of each step, and the state after the last.
        """
        if state is None:
            state = self.initial_state(inputs.shape[0], inputs)
        outputs: list[Tensor] = []
        # unbind: the backward pass of inputs[:, t] would allocate the whole tensor at each step.
        for x in inputs.unbind(1):
            state = self.step(x, state)
            outputs.append(state.hidden)
        return torch.stack(outputs, dim=1), state

"""What a recurrent cell is: one step that defines it, and a pass over a sequence that may only be faster."""

from abc import ABC, abstractmethod
from typing import Generic, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn


@runtime_checkable
class CellState(Protocol):
    """What a cell carries from step to step: a NamedTuple of tensors (batch, hidden) whose first field is `hidden`."""

    @property
    def hidden(self) -> Tensor:
        """The output of the last step."""
        ...


State = TypeVar("State", bound=CellState)


class Cell(nn.Module, ABC, Generic[State]):
    """One recurrent layer: `state = step(x, state)`; its output is `state.hidden`.

    A new cell inherits from this class and writes `initial_state` and `step`. It may override `forward` with something
    faster that gives the same values and gradients.

    Args:
        input_size: Number of inputs at each step.
        hidden_size: Number of hidden units.
    """

    def __init__(self, *, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size

    @abstractmethod
    def initial_state(self, batch: int, like: Tensor) -> State:
        """The state before the first step: zeros.

        Args:
            batch: Number of sequences.
            like: A tensor that gives dtype and device.
        """

    @abstractmethod
    def step(self, x: Float[Tensor, "batch input"], state: State) -> State:
        """The state after one more input."""

    def forward(
        self, inputs: Float[Tensor, "batch time input"], state: State | None = None
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        """Runs over a sequence of at least one step.

        Args:
            inputs: One input a step.
            state: The state before the first step; None: the initial state.

        Returns:
            The output of each step, and the state after the last.
        """
        if state is None:
            state = self.initial_state(len(inputs), inputs)
        outputs: list[Tensor] = []
        # unbind, because the backward pass of inputs[:, t] would allocate the whole tensor at each step.
        for x in inputs.unbind(1):
            state = self.step(x, state)
            outputs.append(state.hidden)
        return torch.stack(outputs, dim=1), state

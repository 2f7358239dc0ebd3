"""A layer step by step: the forward pass over buffers, and a hand-written backward pass.

All buffers are feature-major, (time, features, batch): the gates of a step are then contiguous, so that one operation
can process several of them, and the products of a step need no copies.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from jaxtyping import Float
from torch import Tensor

from recast.nn.recurrence.eager.gate_rows import GateRows

CACHED_STEPS = 16
"""Steps per chunk of derivatives on a CPU: many at once are fast, few fit the cache."""

Accumulate = Callable[[Tensor, slice], None]
"""Takes the gradients of the pre-activations of some steps, (steps, gates, batch), and which steps these are."""


@dataclass(frozen=True, eq=False)
class Tape:
    """The inputs of a layer's steps, and the activations they save.

    Args:
        gates: Pre-activations of the gates; after a step, the gate values, shape (time, blocks * hidden, batch).
        read: What each step reads: the previous output, and the inputs fed while the loop runs, shape (time + 1,
            hidden + fed, batch).
        beside: What else a cell carries or saves for the backward pass, further fields of the state first, each of
            shape (time + 1, hidden, batch).
        hidden_size: Number of outputs at each step.
    """

    gates: Float[Tensor, "time gates batch"]
    read: Float[Tensor, "states read batch"]
    beside: tuple[Float[Tensor, "states hidden batch"], ...]
    hidden_size: int

    @classmethod
    def blank(cls, like: Tensor, *, cell: "CellSteps", time: int, batch: int, hidden: int, fed: int) -> "Tape":
        """An uninitialised tape with the dtype and device of `like`."""
        return cls(
            gates=like.new_empty(time, cell.blocks * hidden, batch),
            read=like.new_empty(time + 1, hidden + fed, batch),
            beside=tuple(like.new_empty(time + 1, hidden, batch) for _ in range(cell.beside)),
            hidden_size=hidden,
        )

    @classmethod
    def of(cls, tensors: Sequence[Tensor], hidden_size: int) -> "Tape":
        """The tape with these buffers, in the order of `tensors`."""
        gates, read, *beside = tensors
        return cls(gates, read, tuple(beside), hidden_size)

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """The buffers."""
        return (self.gates, self.read, *self.beside)

    def field(self, number: int) -> Float[Tensor, "states hidden batch"]:
        """A field of the state before the first step and after each one; 0: the output."""
        return self.beside[number - 1] if number else self.read[:, : self.hidden_size]


class Forward(ABC):
    """The steps of a layer, run in order.

    Args:
        tape: Its initial states and pre-activations, except for the products of each step, must be written.
        product: The weights of what a step reads, shape (rows, hidden + fed).
        rows: The rows of the gates that this product contributes to.

    Attributes:
        hidden: The initial output, then that of each step.
        fed: The inputs of each step, to be written while the loop runs.
    """

    def __init__(self, tape: Tape, product: Tensor, rows: slice) -> None:
        self._product = product
        # unbind: indexing each view at each step would cost as much as the operation itself.
        self._sums = tape.gates[:, rows].unbind(0)
        self._read = tape.read.unbind(0)
        self.hidden = tape.field(0).unbind(0)
        self.fed = tape.read[:, tape.hidden_size :].unbind(0)

    def step(self, t: int) -> None:
        """Writes the gates of step `t` and the state after it."""
        self._sums[t].addmm_(self._product, self._read[t])
        self._activate(t)

    @abstractmethod
    def _activate(self, t: int) -> None:
        """From the pre-activations of the gates to the state after step `t`."""


class Backward(ABC):
    """The backward pass through the steps of a layer, last one first.

    The gradient of a step's pre-activations is a product: the derivatives of the state after the step with respect to
    them, times the gradient of this state. The former are computed for a chunk of steps at once, in advance.

    Args:
        tape: The activations saved by the forward pass.
        product: The weights of what a step reads, shape (rows, hidden + fed).
        rows: The rows of the gates that this product contributes to.
        accumulate: Receives the gradients of each chunk; they are not kept.

    Attributes:
        keeps: 1 where a part of the output enters the next one directly, bypassing all weights, otherwise 0.
        state: Gradients of the fields of the state after the step that is next in the backward pass.
        fed: The gradient of the fed inputs of the step processed last.
    """

    keeps: ClassVar[int]

    def __init__(self, tape: Tape, product: Tensor, rows: slice, accumulate: Accumulate) -> None:
        time, *sizes = tape.gates.shape
        # On other devices an operation costs the same for all steps as for a few.
        self._chunk = min(time, CACHED_STEPS) if tape.gates.device.type == "cpu" else time
        self._steps = slice(time, time)
        self._accumulate = accumulate
        self._product = product.t().contiguous()
        self._by_gate = tape.gates.new_empty(self._chunk, *sizes)
        self._behind_product = self._by_gate[:, rows].unbind(0)
        self._carry = tape.read.new_zeros(tape.read.shape[1:])
        self.state = [self._carry[: tape.hidden_size]]
        self.fed = self._carry[tape.hidden_size :]

    def step(self, t: int) -> None:
        """The backward pass through step `t`."""
        if t < self._steps.start:
            self._steps = slice(max(0, t + 1 - self._chunk), t + 1)
            self._derive(self._steps)
        place = t - self._steps.start
        self._apply(t, place)
        self._carry.addmm_(self._product, self._behind_product[place], beta=self.keeps)
        if not place:
            self._accumulate(self._by_gate[: self._steps.stop - t], self._steps)

    @abstractmethod
    def _derive(self, steps: slice) -> None:
        """Writes the derivatives of each step's new state by its pre-activations to the gradient buffer."""

    @abstractmethod
    def _apply(self, t: int, place: int) -> None:
        """Multiplies the derivatives of step `t`, at `place` in its chunk, by the gradients of its state.

        The part of these gradients that bypasses all weights is left in them, without gradients of inputs.
        """


class CellSteps(NamedTuple):
    """How a kind of cell uses its buffers.

    Attributes:
        blocks: Blocks of `hidden` rows in the buffer of the gates.
        inputs: The blocks that the inputs contribute to.
        hidden: The blocks that the previous output contributes to.
        beside: Number of buffers in addition to gates and outputs.
        fields: Number of fields of the state.
        forward: The steps.
        backward: The backward pass.
    """

    blocks: int
    inputs: GateRows
    hidden: GateRows
    beside: int
    fields: int
    forward: type[Forward]
    backward: type[Backward]

"""A layer step by step: the forward pass over buffers, and the backward pass by hand.

All buffers are feature-major, (time, features, batch): the gates of a step then lie side by side, so that one operation
serves several of them, and the products of a step need no copies.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from jaxtyping import Float
from torch import Tensor

from recast.nn.recurrence.eager.gate_rows import GateRows

CACHED_STEPS = 16
"""Steps whose derivatives the backward pass computes together on a CPU: many at once are fast, few fit the cache."""

Accumulate = Callable[[Tensor, slice], None]
"""Takes the gradients of the sums of some steps, (steps, gates, batch), and which steps these are."""


@dataclass(frozen=True, eq=False)
class Tape:
    """What the steps of a layer read, and the activations that they save.

    Args:
        gates: Sums that enter the gates; after a step, the values of the gates, shape (time, blocks * hidden, batch).
        read: What each step reads: the output of the step before, and the inputs that come only as the loop runs, shape
            (time + 1, hidden + fed, batch).
        beside: What else a cell carries or needs in the backward pass, further fields of the state first, each of shape
            (time + 1, hidden, batch).
        hidden_size: Number of outputs at each step.
    """

    gates: Float[Tensor, "time gates batch"]
    read: Float[Tensor, "states read batch"]
    beside: tuple[Float[Tensor, "states hidden batch"], ...]
    hidden_size: int

    @classmethod
    def blank(cls, like: Tensor, *, cell: "Arithmetic", time: int, batch: int, hidden: int, fed: int) -> "Tape":
        """An unwritten tape with dtype and device of `like`."""
        return cls(
            gates=like.new_empty(time, cell.blocks * hidden, batch),
            read=like.new_empty(time + 1, hidden + fed, batch),
            beside=tuple(like.new_empty(time + 1, hidden, batch) for _ in range(cell.beside)),
            hidden_size=hidden,
        )

    @classmethod
    def of(cls, tensors: Sequence[Tensor], hidden_size: int) -> "Tape":
        """The tape that has these buffers, in the order of `tensors`."""
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
    """The steps of a layer, each after the one before.

    Args:
        tape: Its states before the first step and all of its sums, but for the products that come with each step, are
            written.
        product: The weights of what a step reads, shape (rows, hidden + fed).
        rows: The rows of the gates that this product adds to.

    Attributes:
        hidden: The output of each step, after the one before the first.
        fed: At each step the inputs that are still to be written.
    """

    def __init__(self, tape: Tape, product: Tensor, rows: slice) -> None:
        self._product = product
        # unbind, because an index for each view in each step would cost as much as the operation itself.
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
        """From the sums of the gates to the state after step `t`."""


class Backward(ABC):
    """The backward pass through the steps of a layer, the last one first.

    The gradient of a step's sums is a product: derivatives of the state after the step in these sums, and the gradient
    of this state. The former are computed for a chunk of steps at once, before the backward pass comes to them.

    Args:
        tape: What the forward pass left.
        product: The weights of what a step reads, shape (rows, hidden + fed).
        rows: The rows of the gates that this product adds to.
        accumulate: Takes the gradients of each chunk; they are not kept.

    Attributes:
        keeps: 1 where a part of the output goes on into the next one, past all weights, else 0.
        state: Gradients of the fields of the state, now after the step that comes next in the backward pass.
        fed: The gradient of the inputs, of the step that was last gone through, that came as the loop ran.
    """

    keeps: ClassVar[int]

    def __init__(self, tape: Tape, product: Tensor, rows: slice, accumulate: Accumulate) -> None:
        time, *sizes = tape.gates.shape
        # On other devices each operation costs the same for all steps as for a few.
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
        """Derivatives of the state after each of these steps in its sums, to where the gradients will stand."""

    @abstractmethod
    def _apply(self, t: int, place: int) -> None:
        """Multiplies the derivatives of step `t`, the one at `place` in its chunk, with the gradients of its state.

        What of these gradients goes past all weights is left in them, with no gradient of inputs beside it.
        """


class Arithmetic(NamedTuple):
    """How a kind of cell uses its buffers.

    Attributes:
        blocks: Blocks of `hidden` rows in the buffer of the gates.
        inputs: The blocks that the inputs add to.
        hidden: The blocks that the output of the step before adds to.
        beside: Number of buffers beside gates and outputs.
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

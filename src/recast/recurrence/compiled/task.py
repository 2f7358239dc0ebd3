"""What is computed on NumPy arrays, and what comes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from recast.recurrence.compiled.packing import Plan
from recast.recurrence.compiled.rows import Rows


@dataclass(frozen=True, eq=False)
class Task:
    """An open or a closed loop, in the layout of the batch.

    Args:
        plan: Sizes of the network.
        weights: The packed weights.
        inputs: What the lowest layer reads, shape (batch, time, inputs); in a closed loop its first columns are the
            value fed at the first step, and of no meaning after it.
        states: For each layer and field the state before the first step, shape (batch, units of the layer).
        drop: Factors between the layers, shape (batch, time, units of the lower layer).
        truth: Closed loop: true values (batch, time, targets), or None where none is fed.
        mask: Closed loop: where they are fed, (batch, leads), or None.
        base: Closed loop: what the readout adds to, (batch, time, targets).
        threads: Blocks of rows that run side by side.
        detach: Whether the gradient stops at values fed back.
        residual: Closed loop: whether the value of a step adds the value fed there.
    """

    plan: Plan
    weights: np.ndarray
    inputs: np.ndarray
    states: Sequence[Sequence[np.ndarray]]
    drop: list[np.ndarray]
    threads: int
    truth: np.ndarray | None = None
    mask: np.ndarray | None = None
    base: np.ndarray | None = None
    detach: bool = False
    residual: bool = False

    @property
    def steps(self) -> int:
        """Number of steps."""
        return self.inputs.shape[1]

    @property
    def closed(self) -> bool:
        """Whether the loop is closed."""
        return self.base is not None

    def size(self, room: int) -> tuple[int, ...]:
        """What the kernels take as `size`."""
        plan = self.plan
        return (
            self.steps,
            room,
            plan.units,
            len(plan.sizes),
            plan.inputs,
            plan.stride,
            plan.targets,
            plan.columns,
        )


class Block(NamedTuple):
    """What a block of rows leaves behind for the way back."""

    rows: Rows
    x: np.ndarray
    states: np.ndarray
    drop: np.ndarray
    mask: np.ndarray


class Slopes(NamedTuple):
    """Derivatives of the loss that come from outside.

    values: with respect to the values of a closed loop, (batch, time, targets); outputs: to the top layer's outputs
    from step `outputs_from` on; states: for each layer and field those to the states after so many steps as `at`
    says, (batch, at, units). None where there is none.
    """

    values: np.ndarray | None
    outputs: np.ndarray | None
    outputs_from: int
    states: Sequence[Sequence[np.ndarray | None]]
    at: tuple[int, ...]


class Gradients(NamedTuple):
    """weights: those of all weights, as `Plan.unpack` gives them; inputs: as wide as `Task.inputs`; base."""

    weights: list[np.ndarray]
    states: list[list[np.ndarray]]
    inputs: np.ndarray | None
    base: np.ndarray | None


class Asked(NamedTuple):
    """What is asked of an open loop: states after so many steps as `at` says, outputs from step `outputs_from` on."""

    at: tuple[int, ...]
    outputs_from: int


class Passage(NamedTuple):
    """What a loop gives.

    first: values of a closed loop (batch, time, targets), or outputs of the top layer of an open one (batch, steps,
    units); states: for each layer and field those asked for, (batch, at, units); done: what each block went through,
    where it is to be kept for the way back.
    """

    first: np.ndarray
    states: list[np.ndarray]
    done: list[Block]

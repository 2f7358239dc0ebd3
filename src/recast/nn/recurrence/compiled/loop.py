"""A loop on NumPy arrays, and what comes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from recast.nn.recurrence.compiled.packing import Packing
from recast.nn.recurrence.compiled.records import LoopRecord
from recast.nn.recurrence.compiled.rows import RowBlock


@dataclass(frozen=True, eq=False)
class Loop:
    """An open or a closed loop, in the layout of the batch.

    Args:
        packing: Sizes of the network, and where its weights lie.
        weights: The packed weights.
        inputs: What the lowest layer reads, shape (batch, time, inputs); in a closed loop its first columns are the
            value fed at the first step, and of no meaning after it.
        states: For each layer and field the state before the first step, shape (batch, units of the layer).
        dropout: Factors between the layers, shape (batch, time, units of the lower layer).
        threads: Blocks of rows that run side by side.
        truth: Closed loop: true values (batch, time, targets), or None where none is fed.
        mask: Closed loop: where they are fed, (batch, leads), or None.
        base: Closed loop: what the readout adds to, (batch, time, targets).
        detach: Whether the gradient stops at values fed back.
        residual: Closed loop: whether the value of a step adds the value fed there.
    """

    packing: Packing
    weights: np.ndarray
    inputs: np.ndarray
    states: Sequence[Sequence[np.ndarray]]
    dropout: list[np.ndarray]
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

    def record(self, room: int, *, inputs_learn: bool) -> LoopRecord:
        """What the kernels take.

        Args:
            room: Rows of a block.
            inputs_learn: Whether gradients of the inputs are wanted.
        """
        packing = self.packing
        return LoopRecord(
            kind=packing.number,
            closed=self.closed,
            residual=self.residual,
            detach=self.detach,
            inputs_learn=inputs_learn,
            steps=self.steps,
            rows=room,
            units=packing.units,
            layers=len(packing.sizes),
            inputs=packing.inputs,
            input_stride=packing.input_stride,
            input_columns=packing.input_columns,
            targets=packing.targets,
            target_stride=packing.target_stride,
            target_columns=packing.target_columns,
        )


class Selection(NamedTuple):
    """Which results of an open loop are wanted: states after each count of steps in `at`, outputs from a step on."""

    at: tuple[int, ...]
    outputs_from: int


class SavedActivations(NamedTuple):
    """What the backward pass needs of a block of rows: arrays as in `ForwardArrays`."""

    rows: RowBlock
    inputs: np.ndarray
    states: np.ndarray
    dropout: np.ndarray
    mask: np.ndarray


class ForwardResult(NamedTuple):
    """What a loop gives.

    Attributes:
        first: Values of a closed loop (batch, time, targets), or outputs of the top layer of an open one (batch, steps,
            units).
        states: For each layer and field those wanted, (batch, at, units).
        saved: Of each block, where there will be a backward pass.
    """

    first: np.ndarray
    states: list[np.ndarray]
    saved: list[SavedActivations]


class UpstreamGradients(NamedTuple):
    """Gradients of the loss in what a loop gave; None where there is none.

    Attributes:
        of: Which results of an open loop there were.
        values: Of the values of a closed loop, (batch, time, targets).
        outputs: Of the top layer's outputs that were wanted.
        states: For each layer and field those of the states that were wanted, (batch, at, units).
    """

    of: Selection
    values: np.ndarray | None
    outputs: np.ndarray | None
    states: Sequence[Sequence[np.ndarray | None]]


class Gradients(NamedTuple):
    """weights: those of all weights, as `Packing.unpack` gives them; inputs: as wide as `Loop.inputs`; base."""

    weights: list[np.ndarray]
    states: list[list[np.ndarray]]
    inputs: np.ndarray | None
    base: np.ndarray | None

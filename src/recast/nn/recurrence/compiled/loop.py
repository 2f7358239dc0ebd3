"""A loop on NumPy arrays, and its results."""

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
        packing: Sizes of the network, and the layout of its weights.
        weights: The packed weights.
        inputs: What the lowest layer reads, shape (batch, time, inputs); in a closed loop its first columns are the
            value fed at the first step, and unused at later ones.
        states: The initial state of each layer and field, shape (batch, units of the layer).
        dropout: Factors between the layers, shape (batch, time, units of the lower layer).
        threads: Blocks of rows that run in parallel.
        truth: Closed loop: true values (batch, time, targets), or None if none are fed.
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
            inputs_learn: Whether gradients of the inputs are needed.
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
    """The requested results of an open loop: states after each number of steps in `at`, outputs from a step on."""

    at: tuple[int, ...]
    outputs_from: int


class SavedActivations(NamedTuple):
    """Activations of a block of rows saved for the backward pass: arrays as in `ForwardArrays`."""

    rows: RowBlock
    inputs: np.ndarray
    states: np.ndarray
    dropout: np.ndarray
    mask: np.ndarray


class ForwardResult(NamedTuple):
    """The results of a loop.

    Attributes:
        first: Values of a closed loop (batch, time, targets), or outputs of the top layer of an open one (batch, steps,
            units).
        states: For each layer and field the requested ones, (batch, at, units).
        saved: Saved activations of each block, if there will be a backward pass.
    """

    first: np.ndarray
    states: list[np.ndarray]
    saved: list[SavedActivations]


class UpstreamGradients(NamedTuple):
    """Gradients of the loss with respect to the results of a loop; None where there is none.

    Attributes:
        of: Which results of an open loop were requested.
        values: Of the values of a closed loop, (batch, time, targets).
        outputs: Of the requested outputs of the top layer.
        states: For each layer and field those of the requested states, (batch, at, units).
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

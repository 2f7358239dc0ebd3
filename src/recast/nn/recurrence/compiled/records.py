"""What the kernels take: a record of sizes and switches, and one of flat arrays.

For a block of n rows, T steps, L layers with room for H units, Q fields of a state (2 for the LSTM, hidden and cell,
else 1), I inputs with room for X, P targets with room for V.
"""

from typing import NamedTuple

import numpy as np


class LoopRecord(NamedTuple):
    """Sizes and switches.

    Attributes:
        kind: The cell, as `recast.nn.recurrence.compiled.cells` counts them.
        closed: Whether each value is fed to the next step.
        residual: Whether the value of a step adds the value fed there.
        detach: Whether the gradient stops at values fed back.
        inputs_learn: Whether gradients of the inputs are wanted.
        steps: T.
        rows: n, a multiple of `TILE_ROWS`.
        units: H, a multiple of `PANEL_COLUMNS`.
        layers: L.
        inputs: I, of the lowest layer.
        input_stride: X, I rounded up to `TILE_ROWS`.
        input_columns: I rounded up to `PANEL_COLUMNS`: room for the gradients of the inputs.
        targets: P; 0: there is no readout.
        target_stride: V, P rounded up to `TILE_ROWS`: room for the gradients of the values.
        target_columns: P rounded up to `PANEL_COLUMNS`: room for what the readout gives.
    """

    kind: int
    closed: bool
    residual: bool
    detach: bool
    inputs_learn: bool
    steps: int
    rows: int
    units: int
    layers: int
    inputs: int
    input_stride: int
    input_columns: int
    targets: int
    target_stride: int
    target_columns: int


class ForwardArrays(NamedTuple):
    """Arrays of the forward pass.

    Attributes:
        weights: Those of each layer, and of the readout, as `Packing` lays them out.
        places: Where each of them begins.
        inputs: (T, n, X), those of the lowest layer; in a closed loop the values fed are written into it.
        states: (L, Q, T + 1, n, H); those before the first step are given, the others written.
        dropout: (L - 1, T, n, H), factors on the outputs of each layer but the top one; empty: none.
        truth: (T, n, P), closed loop: true values; empty: none is fed.
        mask: (T, n), closed loop: 1 where the truth is fed to the next step.
        base: (T, n, P), closed loop: what the readout adds to.
        values: (T, n, P), closed loop: written.
        dropped: (n, H), scratch: the outputs of a layer times their factors.
        readout: (n, target columns), scratch: what the readout gives.
    """

    weights: np.ndarray
    places: np.ndarray
    inputs: np.ndarray
    states: np.ndarray
    dropout: np.ndarray
    truth: np.ndarray
    mask: np.ndarray
    base: np.ndarray
    values: np.ndarray
    dropped: np.ndarray
    readout: np.ndarray


class BackwardArrays(NamedTuple):
    """Arrays of the backward pass.

    Upstream gradients are those of the loss in what the loop gave, given by autograd.

    Attributes:
        weights: As in the forward pass.
        places: As in the forward pass.
        inputs: Saved activation.
        states: Saved activation.
        dropout: As in the forward pass.
        mask: As in the forward pass.
        value_gradients: (T, n, V), closed loop: upstream gradients; in the end with all later effects of each value.
        output_gradients: (selected steps, n, H), upstream gradients of the top layer's outputs.
        output_gradient_of: (T), which of them belongs to a step; negative: none.
        state_gradients: (selected steps, L, Q, n, H), upstream gradients of states.
        state_gradient_of: (T), which of them belongs to the state after a step; negative: none.
        running: (L, Q, n, H), zeros; the gradients of the states after the step at hand, in the end of those before the
            first step.
        input_gradients: (T, n, input columns), zeros; in a closed loop those of what was read, where the part of values
            fed back is zero in the end.
        weight_gradients: Added to.
        gradient_places: Where each of them begins.
        gates: (L, gates, chunk, n, H), scratch.
        dropped: (L - 1, chunk, n, H), scratch: outputs times factors; empty: there are no factors.
        below: (n, H), scratch: the gradient of what a layer read.
    """

    weights: np.ndarray
    places: np.ndarray
    inputs: np.ndarray
    states: np.ndarray
    dropout: np.ndarray
    mask: np.ndarray
    value_gradients: np.ndarray
    output_gradients: np.ndarray
    output_gradient_of: np.ndarray
    state_gradients: np.ndarray
    state_gradient_of: np.ndarray
    running: np.ndarray
    input_gradients: np.ndarray
    weight_gradients: np.ndarray
    gradient_places: np.ndarray
    gates: np.ndarray
    dropped: np.ndarray
    below: np.ndarray

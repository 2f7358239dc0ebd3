"""The arguments of the kernels: a record of sizes and flags, and one of flat arrays.

For a block of n rows, T steps, L layers padded to H units, Q fields of a state (2 for the LSTM, hidden and cell,
otherwise 1), I inputs padded to X, P targets padded to V.
"""

from typing import NamedTuple

import numpy as np


class LoopRecord(NamedTuple):
    """Sizes and flags.

    Attributes:
        kind: The number of the cell in `recast.nn.recurrence.compiled.cells`.
        closed: Whether each value is fed to the next step.
        residual: Whether the value of a step adds the value fed there.
        detach: Whether the gradient stops at values fed back.
        inputs_learn: Whether gradients of the inputs are needed.
        steps: T.
        rows: n, a multiple of `TILE_ROWS`.
        units: H, a multiple of `PANEL_COLUMNS`.
        layers: L.
        inputs: I, of the lowest layer.
        input_stride: X, I rounded up to `TILE_ROWS`.
        input_columns: I rounded up to `PANEL_COLUMNS`, for the gradients of the inputs.
        targets: P; 0: there is no readout.
        target_stride: V, P rounded up to `TILE_ROWS`, for the gradients of the values.
        target_columns: P rounded up to `PANEL_COLUMNS`, for the readout's outputs.
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
        places: Their offsets.
        inputs: (T, n, X), those of the lowest layer; in a closed loop the values fed are written into it.
        states: (L, Q, T + 1, n, H); those before the first step are given, the others written.
        dropout: (L - 1, T, n, H), factors on the outputs of each layer but the top one; empty: none.
        truth: (T, n, P), closed loop: true values; empty: none is fed.
        mask: (T, n), closed loop: 1 where the truth is fed to the next step.
        base: (T, n, P), closed loop: what the readout adds to.
        values: (T, n, P), closed loop: written.
        dropped: (n, H), scratch: the outputs of a layer times their factors.
        readout: (n, target columns), scratch: the readout's outputs.
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

    Upstream gradients are those of the loss with respect to the loop's results, as passed by autograd.

    Attributes:
        weights: As in the forward pass.
        places: As in the forward pass.
        inputs: Saved activation.
        states: Saved activation.
        dropout: As in the forward pass.
        mask: As in the forward pass.
        value_gradients: (T, n, V), closed loop: upstream gradients; at the end including all later effects of each
            value.
        output_gradients: (selected steps, n, H), upstream gradients of the top layer's outputs.
        output_gradient_of: (T), index of the one that belongs to a step; negative: none.
        state_gradients: (selected steps, L, Q, n, H), upstream gradients of states.
        state_gradient_of: (T), index of the one that belongs to the state after a step; negative: none.
        running: (L, Q, n, H), zeros; the gradients of the states after the current step, at the end of the initial
            states.
        input_gradients: (T, n, input columns), zeros; in a closed loop those of what was read, with the part of values
            fed back zero at the end.
        weight_gradients: Added to.
        gradient_places: Their offsets.
        gates: (L, gates, chunk, n, H), scratch.
        dropped: (L - 1, chunk, n, H), scratch: outputs times factors; empty: no factors.
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

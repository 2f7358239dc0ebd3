"""The cells that `unit_loop` runs: what their kernels need, and the gradients of weights that only they have."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numba
import numpy as np
import torch
from numba import types
from torch import Tensor

from recast.nn.recurrence.compiled.kernels import Kernels, compiled_for
from recast.nn.recurrence.compiled.peephole_lstm import PeepholeLSTMUnits
from recast.nn.recurrence.compiled.slstm import SLSTMUnits
from recast.nn.recurrence.compiled.unit_loop import GATES, backward, forward
from recast.nn.recurrence.request import Kind


class UnitCell(ABC):
    """One kind of cell.

    Attributes:
        fields: Fields of a state.
    """

    fields: ClassVar[int]

    @abstractmethod
    def record(self, own: Sequence[np.ndarray], rows: int, units: int) -> Any:
        """What the kernels take.

        Args:
            own: The weights of a layer after weight_ih, weight_hh and the bias.
            rows: Padded rows of a block.
            units: Padded units.
        """

    @abstractmethod
    def signature(self, dtype: np.dtype[Any]) -> types.Type:
        """The type of the record."""

    def gradients(self, gates: np.ndarray, states: np.ndarray, units: int) -> list[Tensor]:
        """Those of its own weights.

        Args:
            gates: Gradients of the pre-activations, (4, T, n, H).
            states: (Q, T + 1, n, H).
            units: Units that are no padding.
        """
        return []


class _PeepholeLSTM(UnitCell):
    fields = 2

    def record(self, own: Sequence[np.ndarray], rows: int, units: int) -> PeepholeLSTMUnits:
        (weights,) = own
        padded = np.zeros((3, rows, units), weights.dtype)
        padded[:, :, : len(weights) // 3] = weights.reshape(3, 1, -1)
        return PeepholeLSTMUnits(padded.reshape(-1))

    def signature(self, dtype: np.dtype[Any]) -> types.Type:
        return types.NamedTuple([types.Array(numba.from_dtype(dtype), 1, "C")], PeepholeLSTMUnits)

    def gradients(self, gates: np.ndarray, states: np.ndarray, units: int) -> list[Tensor]:
        old, new = states[1, :-1], states[1, 1:]
        pairs = ((gates[0], old), (gates[1], old), (gates[3], new))
        return [torch.cat([torch.from_numpy(gate * cell).sum(dim=(0, 1))[:units] for gate, cell in pairs])]


class _SLSTM(UnitCell):
    fields = 4

    def __init__(self, *, exponential: bool) -> None:
        self._exponential = exponential

    def record(self, own: Sequence[np.ndarray], rows: int, units: int) -> SLSTMUnits:
        return SLSTMUnits(self._exponential)

    def signature(self, dtype: np.dtype[Any]) -> types.Type:
        return types.NamedTuple([types.boolean], SLSTMUnits)


UNIT_CELLS: dict[Kind | None, UnitCell] = {
    "peephole_lstm": _PeepholeLSTM(),
    "slstm": _SLSTM(exponential=False),
    "slstm_exponential": _SLSTM(exponential=True),
}


@cache
def compiled_units(cell: UnitCell, dtype: np.dtype[Any], folder: Path | None = None) -> Kernels:
    """The loops for a kind of cell and a dtype, from disk or compiled now; see `kernels.compiled`."""
    record, numbers, size = cell.signature(dtype), types.Array(numba.from_dtype(dtype), 1, "C"), types.int64
    places = types.Array(types.int64, 1, "C")
    signatures = (
        (record, numbers, numbers, numbers, size, size, size),
        (record, *(numbers,) * 5, places, numbers, size, size, size, size),
    )
    return compiled_for((forward, backward), signatures, f"{type(record).__name__} of {dtype}", folder)


def dense(weight_hh: Tensor) -> Tensor:
    """The recurrent matrix of each gate, (4, H, H); narrower weights are blocks along the diagonal.

    Args:
        weight_hh: (4 H, H / blocks).
    """
    size = weight_hh.shape[1]
    gates = weight_hh.unflatten(0, (GATES, -1))
    count = gates.shape[1] // size
    if count == 1:
        return gates
    return torch.stack([torch.block_diag(*gate.unflatten(0, (count, size))) for gate in gates])

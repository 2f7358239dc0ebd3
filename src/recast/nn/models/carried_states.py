"""Recurrent states carried over from one training batch to the next."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recast.nn.cells.cell import each_field
from recast.types import Batch


class CarriedStates(nn.Module):
    """Keeps the states at the end of a training batch for the start of the next one.

    A state is used where the batch marks it as carried and the row that follows it is the first of the window; other
    windows begin from the initial state. States are detached: backpropagation ends at the start of the batch (truncated
    backpropagation through time).

    They are part of the state dict, so that training resumes bit for bit mid-epoch. It holds those of one process; a
    checkpoint of several processes holds those of each (`recast.training.resuming`).
    """

    def __init__(self) -> None:
        super().__init__()
        self._kept = torch.zeros(0, 0)
        self._rows = torch.zeros(0, dtype=torch.int64)
        self._before = self._kept, self._rows
        self._start: Tensor | None = None

    def start(self, batch: Batch, initial: list[Any]) -> list[Any]:
        """The state of each layer before the first step of the batch; repeated calls give the same.

        Args:
            batch: A training batch.
            initial: The initial state of each layer.
        """
        if batch.start is not self._start:
            self._before = self._kept, self._rows
            self._start = batch.start
        kept, rows = (values.to(batch.start.device) for values in self._before)
        sizes = [part.shape[-1] for state in initial for part in state]
        if batch.carried is None or kept.shape != (len(batch.start), sum(sizes)):
            return initial
        belongs = (batch.carried & (rows == batch.start)).unsqueeze(-1)
        parts = iter(kept.split(sizes, dim=-1))
        return [
            each_field(lambda part: torch.where(belongs, next(parts).to(part.dtype), part), state) for state in initial
        ]

    def keep(self, batch: Batch, states: list[Any]) -> None:
        """Stores the state of each layer after the last step of the batch."""
        self._kept = torch.cat([part.detach() for state in states for part in state], dim=-1)
        self._rows = batch.start + batch.context

    def get_extra_state(self) -> Float[Tensor, "windows numbers"]:
        """For each window the row that follows its state, and the state; called by torch.

        Not buffers: their shape could not change, and processes would overwrite each other's. Rows are exact in
        float64.
        """
        return torch.cat([self._rows.double().unsqueeze(-1), self._kept.double()], dim=-1)

    def set_extra_state(self, state: Any) -> None:
        """The inverse; called by torch.

        Raises:
            ValueError: if it is no such state.
        """
        if not isinstance(state, Tensor) or state.dim() != 2 or state.shape[1] == 0:
            raise ValueError("the carried states are no table of numbers")
        self._rows, self._kept = state[:, 0].long(), state[:, 1:]
        self._start = None

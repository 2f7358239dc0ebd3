"""Batches of windows, each gathered whole from one storage tensor."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from recast.types import Batch, SeriesSpec


class WindowLoader:
    """Iterates over batches of windows; Lightning takes it where it takes a DataLoader.

    A batch is one gather of `batch_size` windows from the storage: no sample is touched alone, and memory is the
    storage plus one batch. The order of epoch k is a function of (seed, k) alone, and the position is part of the
    loader's state, so that training resumes in mid-epoch with the very batch that came next.

    Args:
        storage: All inputs of all rows, scaled, shape (rows, inputs).
        starts: First row of each window, shape (windows,).
        spec: Names and sizes of the data.
        batch_size: Windows in a batch; the last batch of an epoch may have fewer. [windows]
        shuffle: Whether each epoch has an order of its own.
        seed: Seed of that order.
        rank: This process's number, 0 <= rank < world.
        world: Number of processes that share the windows. In training each takes equally many, in evaluation each
            window is taken once.
    """

    def __init__(
        self,
        *,
        storage: Float[Tensor, "rows inputs"],
        starts: Int[Tensor, " windows"],
        spec: SeriesSpec,
        batch_size: int,
        shuffle: bool = False,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.spec = spec
        self.starts = starts
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        self.rank = rank
        self.world = world
        self._windows = storage.unfold(0, spec.context + spec.horizon, 1)
        self._epoch = 0
        self._position = 0
        self._resuming = False

    @property
    def windows(self) -> int:
        """Windows that this process sees in an epoch."""
        total = len(self.starts)
        return total // self.world if self.shuffle else len(range(self.rank, total, self.world))

    def __len__(self) -> int:
        """Batches in an epoch."""
        return math.ceil(self.windows / self.batch_size)

    def gather(self, starts: Int[Tensor, " batch"]) -> Batch:
        """The windows that begin at the rows `starts`."""
        spec = self.spec
        windows = self._windows[starts].transpose(1, 2)
        ahead = windows[:, spec.context :]
        return Batch(
            context=windows[:, : spec.context],
            target=ahead[..., : spec.targets],
            known=ahead[..., len(spec.names) :],
            start=starts,
        )

    def __iter__(self) -> Iterator[Batch]:
        """The batches of one epoch; after `load_state_dict` those that were still to come."""
        if self._resuming:
            self._resuming = False
        elif self._position:
            self._next_epoch()
        order = self._order()
        for batch in range(self._position, len(self)):
            self._position = batch + 1
            if self._position == len(self):
                self._next_epoch()
            yield self.gather(order[batch * self.batch_size : (batch + 1) * self.batch_size])

    def state_dict(self) -> dict[str, Any]:
        """Epoch and batch that come next."""
        return {"epoch": self._epoch, "position": self._position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The next iteration goes on where `state` was taken."""
        self._epoch = state["epoch"]
        self._position = state["position"]
        self._resuming = True

    def _next_epoch(self) -> None:
        self._epoch += 1
        self._position = 0

    def _order(self) -> Tensor:
        if not self.shuffle:
            return self.starts[self.rank :: self.world]
        # A seed is mixed from both numbers, so that (seed 0, epoch 1) and (seed 1, epoch 0) have different orders.
        generator = torch.Generator().manual_seed((self.seed << 24) + self._epoch)
        order = torch.randperm(len(self.starts), generator=generator).to(self.starts.device)
        return self.starts[order[self.rank : self.windows * self.world : self.world]]

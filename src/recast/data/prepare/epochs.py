"""A loader's position in its epochs, which survives a stop."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

AnyBatch = TypeVar("AnyBatch")


class EpochLoader(ABC, Generic[AnyBatch]):
    """Iterates over the batches of one epoch after the other; Lightning takes it where it takes a DataLoader.

    What epoch k holds is a function of k alone, and the position is part of the loader's state, so that training
    resumes in mid-epoch with the very batch that came next.

    A new loader inherits from this class and writes `__len__`, `plan` and `batch`.
    """

    def __init__(self) -> None:
        self._epoch = 0
        self._position = 0
        self._resuming = False

    @abstractmethod
    def __len__(self) -> int:
        """Batches in an epoch, the same in each."""

    @abstractmethod
    def plan(self, epoch: int) -> Tensor:
        """What an epoch holds and in which order, in the form that `batch` reads."""

    @abstractmethod
    def batch(self, plan: Tensor, number: int) -> AnyBatch:
        """The batch with the given number of an epoch with the given plan."""

    def __iter__(self) -> Iterator[AnyBatch]:
        """The batches of one epoch; after `load_state_dict` those that were still to come."""
        if self._resuming:
            self._resuming = False
        elif self._position:
            self._next_epoch()
        plan = self.plan(self._epoch)
        for number in range(self._position, len(self)):
            self._position = number + 1
            if self._position == len(self):
                self._next_epoch()
            yield self.batch(plan, number)

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


def epoch_generator(seed: int, epoch: int) -> torch.Generator:
    """Random numbers of an epoch; (seed 0, epoch 1) and (seed 1, epoch 0) have different ones."""
    return torch.Generator().manual_seed((seed << 24) + epoch)

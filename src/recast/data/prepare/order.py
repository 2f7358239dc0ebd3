"""The order of a part's items, cut into batches and shared among processes."""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from jaxtyping import Int
from torch import Tensor

from recast.types import Share


@dataclass(frozen=True, eq=False)
class Order:
    """Which items an epoch holds, in which order, and which of them fall to this process.

    Every item comes once in an epoch, whatever the number of processes.

    Where shuffled, for training, a batch of all processes together holds what one process with as many times the batch
    size would see at that step. Each process takes a part of it, in order, and none has more than one item more than
    another; all have equally many batches. In a last batch with fewer items than processes some have none: they get
    the batch's first item with a weight of 0, so that they take part in the step.

    Else, for evaluation, whole batches are dealt out in turn, the b-th to process b mod `world`. A batch is then the
    same, random draws included, whoever takes it. Some processes may have one batch fewer; where that is none, they get
    one without items, as Lightning would not let them take part.

    Args:
        items: The items of the part, such as first rows of windows, shape (items,).
        batch_size: Items in a batch of one process; the last batch of an epoch may have fewer.
        shuffle: Whether each epoch has an order of its own, a function of (seed, epoch) alone.
        seed: Seed of that order.
        rank: This process's number, 0 <= rank < world.
        world: Number of processes that share the items.
    """

    items: Int[Tensor, " items"]
    batch_size: int
    shuffle: bool = False
    seed: int = 0
    rank: int = 0
    world: int = 1

    @property
    def batches(self) -> int:
        """Batches of this process in an epoch."""
        if self.shuffle:
            return math.ceil(len(self.items) / (self.batch_size * self.world))
        everywhere = math.ceil(len(self.items) / self.batch_size)
        return max(len(range(self.rank, everywhere, self.world)), min(everywhere, 1))

    def of(self, epoch: int) -> Int[Tensor, " items"]:
        """The items of all processes in the order of an epoch."""
        if not self.shuffle:
            return self.items
        order = torch.randperm(len(self.items), generator=epoch_generator(self.seed, epoch))
        return self.items[order.to(self.items.device)]

    def cut(self, ordered: Int[Tensor, " items"], number: int) -> tuple[Int[Tensor, " batch"], Share | None]:
        """The items of one batch of this process, and their share in a training batch of several processes."""
        if not self.shuffle:
            number = number * self.world + self.rank
            return ordered[number * self.batch_size : (number + 1) * self.batch_size], None
        size = self.batch_size * self.world
        batch = ordered[number * size : (number + 1) * size]
        if self.world == 1:
            return batch, None
        total = len(batch)
        fewest, more = divmod(total, self.world)
        own = fewest + (self.rank < more)
        if own == 0:
            return batch[:1], Share(total, first=0, weight=0.0)
        first = self.rank * fewest + min(self.rank, more)
        return batch[first : first + own], Share(total, first, weight=own * self.world / total)


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

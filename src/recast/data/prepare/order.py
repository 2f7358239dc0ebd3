"""The order of a part's items, divided into batches and among processes."""

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
    """Which items an epoch holds, in which order, and which of them this process gets.

    Every item occurs once per epoch, whatever the number of processes, unless `draws` or `groups` says otherwise.

    If shuffled, for training, the global batch of all processes equals that of a single process with `world` times the
    batch size. Each process takes a contiguous share of it; shares differ by at most one item, and all processes have
    the same number of batches. In a last batch with fewer items than processes, the remaining processes get the batch's
    first item with a weight of 0, so that they take part in the step.

    Otherwise, for evaluation, whole batches are distributed round-robin, the b-th to process b mod `world`. A batch is
    then the same, random draws included, on any process. Some processes may have one batch fewer; those without any get
    an empty one, as Lightning would not let them take part otherwise.

    Args:
        items: The items of the part, such as first rows of windows, shape (items,).
        batch_size: Items in a batch of one process; the last batch of an epoch may have fewer.
        shuffle: Whether each epoch has its own order, which depends only on (seed, epoch).
        seed: Seed of that order.
        rank: Rank of this process, 0 <= rank < world.
        world: Number of processes that share the items.
        draws: Items of an epoch if shuffled, drawn anew in each; none: as many as there are.
        groups: Where each group of items begins, ascending, the first at 0: if shuffled, groups take turns in random
            order, and each turn draws one item of the group. None: each item occurs at most once.
    """

    items: Int[Tensor, " items"]
    batch_size: int
    shuffle: bool = False
    seed: int = 0
    rank: int = 0
    world: int = 1
    draws: int | None = None
    groups: Int[Tensor, " groups"] | None = None

    @property
    def size(self) -> int:
        """Items of all processes in an epoch."""
        if not self.shuffle or self.draws is None:
            return len(self.items)
        return self.draws if self.groups is not None else min(self.draws, len(self.items))

    @property
    def batches(self) -> int:
        """Batches of this process in an epoch."""
        if self.shuffle:
            return math.ceil(self.size / (self.batch_size * self.world))
        everywhere = math.ceil(len(self.items) / self.batch_size)
        return max(len(range(self.rank, everywhere, self.world)), min(everywhere, 1))

    def of(self, epoch: int) -> Int[Tensor, " items"]:
        """The items of all processes in the order of an epoch."""
        if not self.shuffle:
            return self.items
        generator = epoch_generator(self.seed, epoch)
        if self.groups is None:
            order = torch.randperm(len(self.items), generator=generator)[: self.size]
        else:
            order = _one_of_each(self.groups, len(self.items), self.size, generator)
        return self.items[order.to(self.items.device)]

    def cut(self, ordered: Int[Tensor, " items"], number: int) -> tuple[Int[Tensor, " batch"], Share | None]:
        """The items of one batch of this process, and their share of the global training batch."""
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


def _one_of_each(
    groups: Int[Tensor, " groups"], items: int, size: int, generator: torch.Generator
) -> Int[Tensor, " size"]:
    """Places of `size` items: all groups take a turn, in random order, again and again, with a random item of each."""
    counts = torch.diff(groups, append=torch.tensor([items]))

    def turn() -> Int[Tensor, " groups"]:
        chosen = torch.randperm(len(groups), generator=generator)
        # In double precision a product below the count stays below it.
        within = torch.rand(len(groups), generator=generator, dtype=torch.float64) * counts[chosen]
        return groups[chosen] + within.long()

    return torch.cat([turn() for _ in range(math.ceil(size / len(groups)))])[:size]


AnyBatch = TypeVar("AnyBatch")


class EpochLoader(ABC, Generic[AnyBatch]):
    """Iterates over the batches of successive epochs; Lightning accepts it in place of a DataLoader.

    The content of epoch k depends only on k, and the position is part of the loader's state, so that training resumes
    mid-epoch with exactly the next batch.

    A new loader subclasses this and implements `__len__`, `plan` and `batch`.
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
        """The content and order of an epoch, in the form that `batch` reads."""

    @abstractmethod
    def batch(self, plan: Tensor, number: int) -> AnyBatch:
        """The batch with the given number of an epoch with the given plan."""

    def __iter__(self) -> Iterator[AnyBatch]:
        """The batches of one epoch; after `load_state_dict` the remaining ones."""
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
        """The next epoch and batch."""
        return {"epoch": self._epoch, "position": self._position}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The next iteration continues from where `state` was saved."""
        self._epoch = state["epoch"]
        self._position = state["position"]
        self._resuming = True

    def _next_epoch(self) -> None:
        self._epoch += 1
        self._position = 0


def epoch_generator(seed: int, epoch: int) -> torch.Generator:
    """The random generator of an epoch; (seed 0, epoch 1) and (seed 1, epoch 0) differ."""
    return torch.Generator().manual_seed((seed << 24) + epoch)

"""The order of a part's items, cut into batches and shared among processes."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from recast.prepare.epochs import epoch_generator


@dataclass(frozen=True, eq=False)
class Order:
    """Which items an epoch holds, in which order.

    Args:
        items: The items of the part, such as first rows of windows, shape (items,).
        batch_size: Items in a batch; the last batch of an epoch may have fewer.
        shuffle: Whether each epoch has an order of its own, a function of (seed, epoch) alone.
        seed: Seed of that order.
        rank: This process's number, 0 <= rank < world.
        world: Number of processes that share the items. Where shuffled each takes equally many, else each item is
            taken once.
    """

    items: Int[Tensor, " items"]
    batch_size: int
    shuffle: bool = False
    seed: int = 0
    rank: int = 0
    world: int = 1

    @property
    def share(self) -> int:
        """Items that this process sees in an epoch."""
        total = len(self.items)
        return total // self.world if self.shuffle else len(range(self.rank, total, self.world))

    @property
    def batches(self) -> int:
        """Batches in an epoch."""
        return math.ceil(self.share / self.batch_size)

    def of(self, epoch: int) -> Int[Tensor, " share"]:
        """The items of this process in the order of an epoch."""
        if not self.shuffle:
            return self.items[self.rank :: self.world]
        order = torch.randperm(len(self.items), generator=epoch_generator(self.seed, epoch)).to(self.items.device)
        return self.items[order[self.rank : self.share * self.world : self.world]]

    def cut(self, ordered: Int[Tensor, " share"], number: int) -> Int[Tensor, " batch"]:
        """The items of one batch."""
        return ordered[number * self.batch_size : (number + 1) * self.batch_size]

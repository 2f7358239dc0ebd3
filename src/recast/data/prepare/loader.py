"""Batches of windows that stand alone, in order or shuffled."""

from jaxtyping import Int
from torch import Tensor

from recast.data.prepare.batches import BatchLoader
from recast.data.prepare.order import Order
from recast.data.prepare.storage import Storage
from recast.types import Batch


class WindowLoader(BatchLoader):
    """Each window once in an epoch; the order of epoch k is a function of (seed, k) alone.

    Args:
        storage: All rows.
        starts: First row of each window, shape (windows,).
        context: Rows of a window before its origin. [steps]
        horizon: Rows after it. [steps]
        batch_size: Windows in a batch of one process; the last batch of an epoch may have fewer. [windows]
        shuffle: Whether each epoch has an order of its own.
        seed: Seed of that order.
        rank: This process's number, 0 <= rank < world.
        world: Number of processes that share the windows; see `Order`.
    """

    def __init__(
        self,
        *,
        storage: Storage,
        starts: Int[Tensor, " windows"],
        context: int,
        horizon: int,
        batch_size: int,
        shuffle: bool = False,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        super().__init__(storage=storage, context=context, horizon=horizon)
        self.order = Order(starts, batch_size, shuffle=shuffle, seed=seed, rank=rank, world=world)

    @property
    def starts(self) -> Int[Tensor, " windows"]:
        """First row of each window of the part."""
        return self.order.items

    @property
    def batch_size(self) -> int:
        """Windows in a batch."""
        return self.order.batch_size

    @property
    def shuffle(self) -> bool:
        """Whether each epoch has an order of its own."""
        return self.order.shuffle

    def __len__(self) -> int:
        """Batches of this process in an epoch."""
        return self.order.batches

    def plan(self, epoch: int) -> Int[Tensor, " windows"]:
        """First row of each window of all processes in the epoch's order."""
        return self.order.of(epoch)

    def batch(self, plan: Int[Tensor, " windows"], number: int) -> Batch:
        """The windows of one batch of this process."""
        starts, share = self.order.cut(plan, number)
        return self._windows(starts)._replace(share=share)

"""Batches of segments that hold several forecast origins each."""

import math

from jaxtyping import Int
from torch import Tensor

from recast.data.prepare.batches import BatchLoader
from recast.data.prepare.order import Order
from recast.data.prepare.storage import Storage
from recast.types import Batch


class SegmentLoader(BatchLoader):
    """Random segments, others in each epoch; epoch k is a function of (seed, k) alone.

    Args:
        storage: All rows.
        starts: First rows that a segment may have, shape (starts,).
        horizon: Rows of a segment after its last origin. [steps]
        origins: Counts of a segment's steps after which forecasts are made, ascending. [steps]
        segments: Segments of all processes in an epoch, as far as there are so many starts.
        batch_size: Segments in a batch of one process; the last batch of an epoch may have fewer. [segments]
        seed: Seed of their choice.
        rank: This process's number, 0 <= rank < world.
        world: Number of processes that share the segments; see `Order`.
    """

    def __init__(
        self,
        *,
        storage: Storage,
        starts: Int[Tensor, " starts"],
        horizon: int,
        origins: tuple[int, ...],
        segments: int,
        batch_size: int,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        super().__init__(storage=storage, context=origins[-1], horizon=horizon)
        self.order = Order(starts, batch_size, shuffle=True, seed=seed, rank=rank, world=world)
        self.origins = origins
        self.segments = min(segments, len(starts))

    def __len__(self) -> int:
        """Batches of this process in an epoch."""
        return math.ceil(self.segments / (self.order.batch_size * self.order.world))

    def plan(self, epoch: int) -> Int[Tensor, " segments"]:
        """First row of each segment of all processes, in the epoch's order."""
        return self.order.of(epoch)[: self.segments]

    def batch(self, plan: Int[Tensor, " segments"], number: int) -> Batch:
        """The segments of one batch of this process."""
        starts, share = self.order.cut(plan, number)
        return self._windows(starts)._replace(share=share, origins=self.origins)

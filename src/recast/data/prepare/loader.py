"""Batches of windows or of whole sequences, each gathered in one operation."""

from abc import abstractmethod

from jaxtyping import Int
from torch import Tensor

from recast.data.prepare.order import EpochLoader, Order
from recast.data.prepare.storage import Storage
from recast.types import Batch


class OrderedLoader(EpochLoader[Batch]):
    """Each item of a part once per epoch; the order of epoch k depends only on (seed, k).

    A new loader subclasses this and implements `gather`. No sample is processed individually, and memory is the storage
    plus one batch.

    Args:
        storage: All rows.
        order: The items of the part, their order and their division into batches and among processes.
    """

    def __init__(self, *, storage: Storage, order: Order) -> None:
        super().__init__()
        self.storage = storage
        self.order = order

    def __len__(self) -> int:
        """Batches of this process in an epoch."""
        return self.order.batches

    def plan(self, epoch: int) -> Int[Tensor, " items"]:
        """The items of all processes in the epoch's order."""
        return self.order.of(epoch)

    def batch(self, plan: Int[Tensor, " items"], number: int) -> Batch:
        """One batch of this process."""
        items, share = self.order.cut(plan, number)
        batch = self.gather(items)
        return batch if share is None else batch._replace(share=share)

    @abstractmethod
    def gather(self, items: Int[Tensor, " batch"]) -> Batch:
        """The given items of the storage."""


class WindowLoader(OrderedLoader):
    """Batches of windows, whose items are their first rows.

    Args:
        storage: All rows.
        order: The first rows of the windows, their order and their division into batches.
        context: Rows of a window before its origin. [steps]
        horizon: Rows after it. [steps]
    """

    def __init__(self, *, storage: Storage, order: Order, context: int, horizon: int) -> None:
        super().__init__(storage=storage, order=order)
        self.context = context
        self.horizon = horizon

    def gather(self, items: Int[Tensor, " batch"]) -> Batch:
        """The windows that begin at the rows `items`."""
        return self.storage.windows(items, self.context, self.horizon)


class SequenceLoader(OrderedLoader):
    """Batches of whole sequences, whose items are their indices, padded with zeros to the longest of the batch."""

    def gather(self, items: Int[Tensor, " batch"]) -> Batch:
        """The sequences with the indices `items`."""
        return self.storage.sequences(items)

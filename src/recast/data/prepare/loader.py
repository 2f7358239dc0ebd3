"""Batches of windows or of whole sequences, each gathered in one operation."""

from jaxtyping import Int
from torch import Tensor

from recast.data.prepare.order import EpochLoader, Order
from recast.data.prepare.storage import Storage
from recast.types import Batch


class BatchLoader(EpochLoader[Batch]):
    """Iterates over batches of windows of one storage.

    A new loader subclasses this and implements `__len__`, `plan` and `batch`.

    Args:
        storage: All rows.
        context: Rows of a window before its origin. [steps]
        horizon: Rows after it. [steps]
    """

    def __init__(self, *, storage: Storage, context: int, horizon: int) -> None:
        super().__init__()
        self.storage = storage
        self.context = context
        self.horizon = horizon

    def _windows(self, starts: Int[Tensor, " batch"]) -> Batch:
        """The windows that begin at the rows `starts`."""
        return self.storage.windows(starts, self.context, self.horizon)


class WindowLoader(BatchLoader):
    """Each window once per epoch; the order of epoch k depends only on (seed, k).

    Args:
        storage: All rows.
        starts: First row of each window, shape (windows,).
        context: Rows of a window before its origin. [steps]
        horizon: Rows after it. [steps]
        batch_size: Windows in a batch of one process; the last batch of an epoch may have fewer. [windows]
        shuffle: Whether each epoch has its own random order.
        seed: Seed of that order.
        rank: Rank of this process, 0 <= rank < world.
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
        """Whether each epoch has its own random order."""
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
        batch = self._windows(starts)
        return batch if share is None else batch._replace(share=share)


class SequenceLoader(EpochLoader[Batch]):
    """Each sequence of a part once per epoch, in batches padded to their longest sequence.

    A batch is one gather: no sample is processed individually, and memory is the storage plus one batch.

    Args:
        storage: All sequences.
        order: The indices of the part's sequences, their order and their division into batches.
    """

    def __init__(self, storage: Storage, order: Order) -> None:
        super().__init__()
        self.storage = storage
        self.order = order

    def __len__(self) -> int:
        """Batches of this process in an epoch."""
        return self.order.batches

    def plan(self, epoch: int) -> Int[Tensor, " sequences"]:
        """Indices of the sequences of all processes in the epoch's order."""
        return self.order.of(epoch)

    def batch(self, plan: Int[Tensor, " sequences"], number: int) -> Batch:
        """The sequences of one batch of this process."""
        which, share = self.order.cut(plan, number)
        return self.gather(which)._replace(share=share)

    def gather(self, which: Int[Tensor, " batch"]) -> Batch:
        """The sequences with the indices `which`, padded with zeros."""
        return self.storage.sequences(which)

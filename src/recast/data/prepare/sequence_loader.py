"""Batches of sequences of different lengths, each gathered whole from one storage."""

from jaxtyping import Int
from torch import Tensor

from recast.data.prepare.epochs import EpochLoader
from recast.data.prepare.order import Order
from recast.data.prepare.storage import Storage
from recast.types import Batch


class SequenceLoader(EpochLoader[Batch]):
    """Each sequence of a part once in an epoch, in batches as long as their longest sequence.

    A batch is one gather: no sample is touched alone, and memory is the storage plus one batch.

    Args:
        storage: All sequences.
        order: Those of the part, by their index, and how they are ordered and cut into batches.
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

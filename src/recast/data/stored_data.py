"""What the data modules share: a data set read and prepared once, on the training device, in equal batches."""

from abc import abstractmethod
from functools import cached_property
from typing import Any, Generic, Protocol, TypeVar, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor

from recast.data.prepare.order import EpochLoader, Order
from recast.data.prepare.storage import Storage
from recast.data.training_data import TrainingData
from recast.types import Batch


@runtime_checkable
class Prepared(Protocol):
    """A data set ready for training."""

    @property
    def spec(self) -> Any:
        """What a model must know about it."""
        ...

    @property
    def storage(self) -> Storage:
        """Its scaled rows."""
        ...

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what was read."""
        ...


PreparedT = TypeVar("PreparedT", bound=Prepared)


class StoredData(TrainingData, Generic[PreparedT]):
    """Data read and prepared on first use; the whole storage is moved to the training device.

    A data module of this kind subclasses this and implements `prepare`, `items`, `loader` and `train_dataloader`.

    Args:
        batch_size: Items in a training batch of each process. [items]
        evaluation_batch_size: Items in a validation or test batch. [items]
        seed: Seed of the order of training items.
    """

    def __init__(self, *, batch_size: int, evaluation_batch_size: int, seed: int) -> None:
        super().__init__()
        self.batch_size = batch_size
        self.evaluation_batch_size = evaluation_batch_size
        self.seed = seed

    @abstractmethod
    def prepare(self) -> PreparedT:
        """Reads the data set and prepares it.

        Raises:
            DataError: if the source or the preparation rejects the data.
        """

    @cached_property
    def prepared(self) -> PreparedT:
        """The data set, read on first access and kept; see `prepare`."""
        return self.prepare()

    @abstractmethod
    def items(self, part: str) -> Int[Tensor, " items"]:
        """The items of "train", "validation" or "test": first rows of windows, or indices of sequences."""

    @abstractmethod
    def loader(self, part: str) -> EpochLoader[Batch]:
        """Batches of a part in order, of evaluation size.

        Args:
            part: "train", "validation" or "test".
        """

    @property
    def spec(self) -> Any:
        """What a model must know about the data."""
        return self.prepared.spec

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the data as read."""
        return self.prepared.fingerprint

    def setup(self, stage: str) -> None:
        """Reads the data; called by Lightning."""
        _ = self.prepared

    def read_again(self) -> None:
        """Forgets what was read."""
        for read in ("prepared", "_storage"):
            vars(self).pop(read, None)

    def order(self, part: str, *, shuffle: bool = False, shared: bool = True) -> Order:
        """The items of a part on the training device, divided into batches.

        Args:
            part: "train", "validation" or "test".
            shuffle: Whether to use a random order and the training batch size; otherwise the order of the data and the
                size of evaluation batches.
            shared: Whether several processes share the items, or each takes all.
        """
        return self.ordered(self.items(part), shuffle=shuffle, shared=shared)

    def ordered(self, items: Int[Tensor, " items"], *, shuffle: bool, shared: bool = True) -> Order:
        """Items on the training device, divided into batches; see `order`."""
        return Order(
            items.to(self._storage.device),
            self.batch_size if shuffle else self.evaluation_batch_size,
            shuffle=shuffle,
            seed=self.seed,
            rank=self._rank if shared else 0,
            world=self._world if shared else 1,
        )

    def val_dataloader(self) -> EpochLoader[Batch] | list[EpochLoader[Batch]]:
        """Validation batches in order; none if the split has no validation part."""
        return self.loader("validation") if len(self.items("validation")) else []

    def test_dataloader(self) -> EpochLoader[Batch]:
        """Test batches in order."""
        return self.loader("test")

    @property
    def _rank(self) -> int:
        return self.trainer.global_rank if self.trainer else 0

    @property
    def _world(self) -> int:
        return self.trainer.world_size if self.trainer else 1

    @cached_property
    def _storage(self) -> Storage:
        device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        return self.prepared.storage.to(device)

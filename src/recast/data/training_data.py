"""The base of all data modules that a task trains on."""

from abc import ABC, abstractmethod
from typing import Any

import lightning.pytorch as pl

from recast.data.sources.table import Table
from recast.errors import ConfigurationError


class TrainingData(pl.LightningDataModule, ABC):
    """Batches for training, validation and test, and what a model and a checkpoint must know of them."""

    @property
    @abstractmethod
    def spec(self) -> Any:
        """What a model must know of the data: a frozen class whose `to_dict` gives it in plain containers."""

    def read_from(self, table: Table) -> None:
        """Reads a table in place of what the options name.

        Raises:
            ConfigurationError: if data of this kind are no table.
        """
        raise ConfigurationError(f"{table.label}: {type(self).__name__} does not read a table; use data=frame")

    @abstractmethod
    def loader(self, part: str) -> Any:
        """Batches of "train", "validation" or "test", in order, in the size of evaluation."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """SHA-256 of the data as they were read: equal where a run would be trained on the same."""

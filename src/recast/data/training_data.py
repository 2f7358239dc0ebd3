"""The base of all data modules that a task trains on."""

from abc import ABC, abstractmethod
from typing import Any

import lightning.pytorch as pl

from recast.data.sources.table import Table
from recast.errors import ConfigurationError


class TrainingData(pl.LightningDataModule, ABC):
    """Batches for training, validation and test, and what a model and a checkpoint must know about them."""

    @property
    @abstractmethod
    def spec(self) -> Any:
        """What a model must know about the data: a frozen class whose `to_dict` returns plain containers."""

    def read_from(self, table: Table) -> None:
        """Reads a table instead of the source named by the options.

        Raises:
            ConfigurationError: if data of this kind are not tabular.
        """
        raise ConfigurationError(f"{table.label}: {type(self).__name__} does not read a table; use data=frame")

    def adopt(self, spec: Any) -> None:
        """Uses the scaling and the levels of a trained model instead of fitted ones.

        Args:
            spec: The spec the model was trained with.

        Raises:
            ConfigurationError: if data of this kind cannot.
        """
        raise ConfigurationError(
            f"{type(self).__name__} cannot take over the scaling of another run; leave it out of init_keeps"
        )

    @abstractmethod
    def loader(self, part: str) -> Any:
        """Batches of "train", "validation" or "test", in order, of evaluation size."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """SHA-256 of the data as read: equal if a run would be trained on the same data."""

"""The results of a run of any kind: tables to print, and files."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd


class ResultTable(NamedTuple):
    """A table as people read it: a title, the name of its first column, its rows, and the row that stands out."""

    title: str
    first: str
    frame: pd.DataFrame
    highlighted: str | None = None


class RunResults(ABC):
    """What a run has measured on one part of the data.

    Attributes:
        part: "train", "validation" or "test".
        facts: Whatever else is worth keeping: number of parameters, checkpoint, seed.
    """

    part: str
    facts: dict[str, Any]

    @property
    @abstractmethod
    def overall(self) -> dict[str, float]:
        """The model's scores by metric."""

    @abstractmethod
    def tables(self) -> list[ResultTable]:
        """What is printed, the most important first."""

    @abstractmethod
    def remarks(self) -> list[str]:
        """Lines printed below the tables."""

    @abstractmethod
    def write(self, folder: Path) -> None:
        """Writes the results into a folder, metrics.json last: whoever finds it knows that the run is complete."""

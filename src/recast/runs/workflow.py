"""What differs between the kinds of task in a run; everything else is shared."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

import lightning.pytorch as pl

from recast.checkpoints.checkpoint import RestoredTask
from recast.runs.run_results import RunResults

TaskT = TypeVar("TaskT")
DataT = TypeVar("DataT")
ResultsT = TypeVar("ResultsT", bound=RunResults)


class Workflow(ABC, Generic[TaskT, DataT, ResultsT]):
    """How a kind of task describes its data, is compared, and shows its results."""

    @abstractmethod
    def counts(self, data: DataT) -> dict[str, int]:
        """Number of samples in each part."""

    @abstractmethod
    def summary(self, data: DataT) -> str:
        """One line that says what data were read."""

    @abstractmethod
    def data_facts(self, data: DataT) -> dict[str, Any]:
        """What is trained on, in plain containers."""

    @abstractmethod
    def fit_baselines(self, baselines: Mapping[str, Any], data: DataT) -> None:
        """Fits each baseline on the training part."""

    @abstractmethod
    def score_baselines(self, baselines: Mapping[str, Any], task: TaskT, data: DataT, part: str) -> dict[str, Any]:
        """The scores of fitted baselines on a part, by name."""

    def before_training(self, baselines: Mapping[str, Any], task: TaskT, data: DataT) -> None:
        """Gives the task what it shows in training; nothing unless overridden."""

    @abstractmethod
    def adapt(self, config: dict[str, Any], restored: RestoredTask[TaskT, DataT, Any]) -> bool:
        """Prepares the data of a checkpoint for recast-evaluate.

        Args:
            config: The configuration of recast-evaluate.
            restored: The checkpoint; its data module and task are changed.

        Returns:
            Whether there is a training part that baselines can be fitted on.

        Raises:
            InputError: if the data cannot be used.
        """

    @abstractmethod
    def test(self, trainer: pl.Trainer, task: TaskT, data: DataT, part: str) -> None:
        """Runs the model over a part."""

    @abstractmethod
    def results(
        self,
        task: TaskT,
        data: DataT,
        part: str,
        *,
        baselines: dict[str, Any],
        seconds: dict[str, float],
        facts: dict[str, Any],
    ) -> ResultsT:
        """The results after `test`.

        Args:
            task: The trained task.
            data: Its data.
            part: "train", "validation" or "test".
            baselines: What `score_baselines` gave.
            seconds: What took how long. [s]
            facts: Whatever else is worth keeping.
        """

    @abstractmethod
    def draw(self, trainer: pl.Trainer, task: TaskT, data: DataT, results: ResultsT) -> None:
        """Draws pictures into the run's folder and its TensorBoard log."""

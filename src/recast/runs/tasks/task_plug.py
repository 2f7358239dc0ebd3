"""The parts of a run that depend on the kind of task; everything else is shared."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import lightning.pytorch as pl
from torch import nn
from torchmetrics import Metric

from recast.data.training_data import TrainingData
from recast.errors import ConfigurationError
from recast.runs.results import RunResults
from recast.scoring.baselines.baseline import AnyBaseline
from recast.training.training_task import TrainingTask

TaskT = TypeVar("TaskT", bound=TrainingTask)
DataT = TypeVar("DataT", bound=TrainingData)
SpecT = TypeVar("SpecT")
ResultsT = TypeVar("ResultsT", bound=RunResults)
IN_TRAINING = ("validation", "test")
"""The parts that baselines are scored on beside a model that is trained."""


@dataclass(frozen=True)
class RestoredTask(Generic[TaskT, DataT, SpecT]):
    """A restored checkpoint.

    Args:
        plug: What kind of task it is.
        task: The trained task, in evaluation mode, on the CPU.
        data: The data module it was trained with, nothing read yet.
        spec: The data's names, sizes and scaling at training.
        fingerprint: SHA-256 of the data it was trained on.
        config: The parts of the configuration that the checkpoint holds.
    """

    plug: "TaskPlug[TaskT, DataT, Any]"
    task: TaskT
    data: DataT
    spec: SpecT
    fingerprint: str
    config: dict[str, Any]


class TaskPlug(ABC, Generic[TaskT, DataT, ResultsT]):
    """A kind of task: which parts belong to it, how it is compared, and how it shows its results.

    A new kind of task is a module in `recast.runs.tasks`, or in a trusted package, that defines one concrete subclass;
    see `recast.runs.tasks.find`.

    Attributes:
        name: Its name, the choice of the group `task`.
        task: The class of its tasks.
        data: The class of its data modules.
        model: The class of its models.
        metric: The class of its metrics.
        baseline: The class of its baselines.
        forecasts: Whether its models forecast a series, which some commands need.
    """

    name: str
    task: type[TrainingTask]
    data: type[TrainingData]
    model: type[nn.Module]
    metric: type[Metric]
    baseline: type[AnyBaseline[Any]]
    forecasts: bool = False

    @abstractmethod
    def checked_spec(self, values: object) -> Any:
        """The inverse of the `to_dict` of its data's spec, for values of unknown origin.

        Raises:
            ConfigurationError: if they describe no data of this kind.
        """

    @abstractmethod
    def counts(self, data: DataT) -> dict[str, int]:
        """Number of samples in each part."""

    @abstractmethod
    def summary(self, data: DataT) -> str:
        """One line that says what data were read."""

    @abstractmethod
    def data_facts(self, data: DataT) -> dict[str, Any]:
        """Facts on the data, in plain containers."""

    @abstractmethod
    def fit_baselines(self, baselines: Mapping[str, Any], data: DataT, scored: Sequence[str] = IN_TRAINING) -> None:
        """Fits each baseline on the training part.

        Args:
            baselines: By name.
            data: The data.
            scored: The parts that they are to be scored on.

        Raises:
            MisfitError: if one cannot be used with the data, or would take too long.
        """

    @abstractmethod
    def score_baselines(self, baselines: Mapping[str, Any], task: TaskT, data: DataT, part: str) -> dict[str, Any]:
        """The scores of fitted baselines, by name, on those samples of a part that `test` scored the task on."""

    def before_training(
        self,
        baselines: Mapping[str, Any],
        task: TaskT,
        data: DataT,
        trainer: pl.Trainer,
        *,
        kept: frozenset[str] = frozenset(),
    ) -> None:
        """Prepares the untrained task, and gives it the references shown in training; nothing unless overridden.

        Args:
            baselines: By name, fitted.
            task: The task.
            data: Its data.
            trainer: The trainer.
            kept: What is taken over from another run after this, see `recast.runs.initial_state.InitialState`.
        """

    def after_training(self, trainer: pl.Trainer, task: TaskT, data: DataT, checkpoint: Path) -> None:
        """Fits what the chosen state needs of the validation part, and adds it to its checkpoint; nothing by default.

        Args:
            trainer: The trainer.
            task: The task, in the state of the checkpoint.
            data: Its data.
            checkpoint: The checkpoint file.
        """

    def keep_forecasts(self, task: TaskT, trainer: pl.Trainer) -> None:
        """Lets the test keep its forecasts, so that the results write them.

        Raises:
            ConfigurationError: if it cannot.
        """
        del task, trainer
        raise ConfigurationError(f"keep_forecasts=true: task={self.name} forecasts nothing; leave it out")

    def recall(self, task: TaskT, description: Mapping[str, Any]) -> None:
        """Gives a restored task what its checkpoint holds beside weights; nothing unless overridden.

        Args:
            task: The task.
            description: What the checkpoint says of itself.

        Raises:
            ConfigurationError: if that does not fit the task.
        """

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

    def test(self, trainer: pl.Trainer, task: TaskT, data: DataT, part: str) -> None:
        """Runs the model over a part, with Lightning's test loop: over less of it where the trainer has a limit."""
        # Whole, the data module is there for callbacks, too.
        loaders = data if part == "test" else data.loader(part)
        trainer.test(task, loaders, verbose=False)

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
        """The results after `test` and `score_baselines`.

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

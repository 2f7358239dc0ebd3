"""The options of the commands that train or score: what stands at the root of their configurations."""

from collections.abc import Callable
from typing import Any, Literal

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.loggers import Logger
from torch import nn
from torch.optim import Optimizer
from torchmetrics import Metric

from recast.data.training_data import TrainingData
from recast.nn.recurrence.engine import Engine
from recast.options import PositiveInt, Seed
from recast.runs.configure.options import Paths
from recast.scoring.baselines.baseline import AnyBaseline
from recast.training.learning_rates import LearningRate
from recast.training.training_task import TrainingTask


class CheckpointOptions:
    """What a checkpoint holds of its run's configuration.

    Args:
        data: The data module.
        model: The model, completed by the data's spec.
        task: The task, completed by the model.
        metrics: Metrics by name.
    """

    def __init__(
        self,
        *,
        data: TrainingData,
        model: Callable[..., nn.Module],
        task: Callable[..., TrainingTask],
        metrics: dict[str, Callable[..., Metric]],
    ) -> None: ...


class TrainOptions:
    """Options of recast-train.

    Args:
        data: The data module: source, split, scaling, batches, and for a series its grid and windows.
        model: The model; see the task for which ones fit.
        task: How the model is trained and scored.
        optimizer: The optimiser.
        learning_rate: The learning-rate schedule; none: it stays.
        metrics: Metrics by name, over all windows, in the data's unit.
        baselines: What the model is compared with, by name, through the same windows. One that these do not suit, such
            as a season longer than the context, is left out with a log line.
        required_baselines: Names of those for which a run is refused instead; by default those that an override names
            (baselines.NAME...).
        trainer: Lightning's Trainer.
        callbacks: Lightning's and recast's callbacks by name; none switches one off.
        logger: Loggers by name; none switches one off.
        paths: Where data are read and runs are written.
        seed: Seed of weights, order of windows and teacher-forcing masks.
        threads: Cores of the CPU that recurrences use, by blocks of rows. Torch's own operations run in one thread
            where recurrences are compiled, else in so many. [threads]
        recurrence: What runs the recurrent layers.
        init_from: Checkpoint, or run folder, whose weights training starts from, for fine-tuning; none: random ones.
            Its model must be the same. [file]
        init_keeps: What is kept of that run beside its weights: "scaling" (of the data, with levels of categories and
            fitted columns) and "anchor" (the numbers of a fixed one); what is left out is fitted to the training part.
        keep_forecasts: Whether the forecasts of all test windows, the model's and the baselines', are written to
            forecasts.npz, as recast-backtest needs them.
        resume: Whether to go on with the last run of the same options that was not finished.
        trust: Packages of others whose classes may be named; none: those of RECAST_TRUST.
    """

    def __init__(
        self,
        *,
        data: TrainingData,
        model: Callable[..., nn.Module],
        task: Callable[..., TrainingTask],
        optimizer: Callable[..., Optimizer],
        metrics: dict[str, Callable[..., Metric]],
        baselines: dict[str, AnyBaseline[Any] | None],
        trainer: Callable[..., Trainer],
        callbacks: dict[str, Callback | None],
        logger: dict[str, Callable[..., Logger] | None],
        paths: Paths,
        recurrence: Engine,
        required_baselines: list[str],
        learning_rate: LearningRate | None = None,
        seed: Seed = 0,
        threads: PositiveInt = 1,
        init_from: str | None = None,
        init_keeps: list[Literal["scaling", "anchor"]] = ["scaling", "anchor"],  # noqa: B006 - read only
        keep_forecasts: bool = False,
        resume: bool = False,
        trust: list[str] | None = None,
    ) -> None: ...


class EvaluateOptions:
    """Options of recast-evaluate.

    Args:
        checkpoint: Checkpoint file of a run. [file]
        split: The part that is scored.
        path: Another file of the same kind; none: the data of the training. A series is split in the same way;
            labelled sequences are the test part, all of them. [file]
        data: Options of the checkpoint's data to change, such as data.source.missing=[nan], data.source.step=10min,
            data/grid=split; for another file also those of data.split and data.windows. null: as in the training.
        baselines: What the model is compared with, fitted on the training part; those for another kind of task are
            left out, and those that the windows do not suit.
        required_baselines: Names of those that are not left out but refused; by default those that an override names.
        output: Folder for the results; none: they are printed only. [folder]
        batch_size: Windows or sequences scored at a time. [windows]
        samples: Trajectories of a stochastic head. [trajectories]
        threads: Cores of the CPU that recurrences use; see `train`. [threads]
        recurrence: What runs the recurrent layers.
        paths: Where data are read and logs are written.
        trust: Packages of others whose classes may be named; none: those of RECAST_TRUST.
    """

    def __init__(
        self,
        *,
        checkpoint: str,
        paths: Paths,
        recurrence: Engine,
        data: dict[str, Any],
        required_baselines: list[str],
        baselines: dict[str, AnyBaseline[Any] | None],
        split: Literal["train", "validation", "test"] = "test",
        path: str | None = None,
        output: str | None = None,
        batch_size: PositiveInt = 512,
        samples: PositiveInt = 100,
        threads: PositiveInt = 1,
        trust: list[str] | None = None,
    ) -> None: ...


class GradientOptions:
    """Options of recast-gradients.

    Args:
        checkpoint: Checkpoint file of a run. [file]
        split: The part that windows are taken from.
        path: Another CSV file of the same kind, split in the same way; none: the data of the training. [file]
        data: Options of the checkpoint's data to change; see `EvaluateOptions`.
        output: Folder for table and picture; none: `gradients` in the run's folder. [folder]
        windows: Windows that gradients and gates are averaged over, spread evenly over the part. [windows]
        jacobian_windows: Those of them along which Jacobians are taken. [windows]
        jacobian_steps: Steps of each of these, spread evenly over the context. [steps]
        threads: Cores of the CPU that recurrences use; see `train`. [threads]
        recurrence: What runs the recurrent layers.
        paths: Where data are read and logs are written.
        trust: Packages of others whose classes may be named; none: those of RECAST_TRUST.
    """

    def __init__(
        self,
        *,
        checkpoint: str,
        paths: Paths,
        recurrence: Engine,
        data: dict[str, Any],
        split: Literal["train", "validation", "test"] = "validation",
        path: str | None = None,
        output: str | None = None,
        windows: PositiveInt = 64,
        jacobian_windows: PositiveInt = 4,
        jacobian_steps: PositiveInt = 50,
        threads: PositiveInt = 1,
        trust: list[str] | None = None,
    ) -> None: ...


class ImportanceOptions:
    """Options of recast-importance.

    Args:
        checkpoint: Checkpoint file of a run. [file]
        split: The part that windows are taken from.
        path: Another CSV file of the same kind, split in the same way; none: the data of the training. [file]
        data: Options of the checkpoint's data to change; see `EvaluateOptions`.
        output: Folder for table and picture; none: `importance` in the run's folder. [folder]
        windows: Largest number of windows that are forecast, spread evenly over the part. [windows]
        repeats: Permutations of each input. [times]
        batch_size: Windows forecast at a time. [windows]
        samples: Trajectories of a stochastic head. [trajectories]
        threads: Cores of the CPU that recurrences use; see `train`. [threads]
        recurrence: What runs the recurrent layers.
        paths: Where data are read and logs are written.
        trust: Packages of others whose classes may be named; none: those of RECAST_TRUST.
    """

    def __init__(
        self,
        *,
        checkpoint: str,
        paths: Paths,
        recurrence: Engine,
        data: dict[str, Any],
        split: Literal["train", "validation", "test"] = "validation",
        path: str | None = None,
        output: str | None = None,
        windows: PositiveInt = 2048,
        repeats: PositiveInt = 3,
        batch_size: PositiveInt = 512,
        samples: PositiveInt = 100,
        threads: PositiveInt = 1,
        trust: list[str] | None = None,
    ) -> None: ...

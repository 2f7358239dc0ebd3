"""A forecasting checkpoint, and the data it is applied to."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jaxtyping import Int
from torch import Tensor

from recast.data.datamodule import ForecastDataModule
from recast.data.spec import SeriesSpec
from recast.errors import CheckpointError, ConfigurationError, DataError
from recast.runs.checkpoints.restore import restore
from recast.runs.record import window_counts
from recast.runs.tasks.task_plug import RestoredTask
from recast.system.files import user_path
from recast.training.evenly import evenly_spaced
from recast.training.task import ForecastTask

RestoredForecast = RestoredTask[ForecastTask, ForecastDataModule, SeriesSpec]


def restore_forecaster(
    path: str | Path, data_options: Mapping[str, Any] | None = None, *, other_file: bool = False
) -> RestoredForecast:
    """The trained task of a checkpoint, which forecasts a series; see `recast.runs.checkpoints.checkpoint.restore`.

    Raises:
        CheckpointError: also if its task is not a forecast.
    """
    restored = restore(path, data_options, other_file=other_file)
    if not restored.plug.forecasts:
        raise CheckpointError(
            f"{path}: it holds a model for {restored.plug.name}, which does not forecast; recast-evaluate scores it, "
            "on other files too (path=...)"
        )
    return restored


def require_windows(data: ForecastDataModule, part: str) -> None:
    """Raises ConfigurationError if a part has no windows."""
    counts = window_counts(data.prepared)
    if not counts[part]:
        told = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise ConfigurationError(f"split={part}: this part has no windows; windows by part: {told}")


def data_of(restored: RestoredForecast, path: str | None) -> ForecastDataModule:
    """The data of the training, or another file of the same kind, under the scaling of the training.

    Args:
        restored: The checkpoint.
        path: A CSV file with the same columns, split in the same way; none: the data of the training.

    Raises:
        ConfigurationError: if windows of other lengths are asked for.
        DataError: if the data have changed since the training, or cannot be used.
    """
    data, spec = restored.data, restored.spec
    if (data.windows.context, data.windows.horizon) != (spec.context, spec.horizon):
        raise ConfigurationError(
            f"data.windows: the model reads {spec.context} steps and forecasts {spec.horizon}; leave context and "
            "horizon out"
        )
    data.adopt(restored.spec, path)
    if path is None and data.fingerprint != restored.fingerprint:
        label = data.prepared.panel.label
        raise DataError(
            f"{label}: it has changed since the training, or is read otherwise, so that the parts are others "
            f"now; give path={label} to score "
            "the file as it is"
        )
    return data


def chosen_windows(config: Mapping[str, Any]) -> tuple[RestoredForecast, ForecastDataModule, Int[Tensor, " windows"]]:
    """A checkpoint, its data, and the first rows of windows spread evenly over a part.

    Args:
        config: With checkpoint, data, path, split, and the number of windows.

    Raises:
        InputError: if checkpoint or data cannot be used, or the part has no windows.
    """
    restored = restore_forecaster(config["checkpoint"], config["data"], other_file=config["path"] is not None)
    data = data_of(restored, config["path"])
    require_windows(data, config["split"])
    items = data.loader(config["split"]).order.items
    return restored, data, items[evenly_spaced(len(items), config["windows"])]


def results_folder(config: Mapping[str, Any], name: str) -> Path:
    """The folder of what was measured of a checkpoint.

    That of the option `output`, else one called `name` in the run's folder, or beside a checkpoint outside one.
    """
    if config["output"] is not None:
        return user_path(config["output"])
    folder = user_path(config["checkpoint"]).parent
    return (folder.parent if folder.name == "checkpoints" else folder) / name

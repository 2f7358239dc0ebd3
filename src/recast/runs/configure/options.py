"""The options that forecasting needs: what stands at the root of its configuration, and in each checkpoint."""

from collections.abc import Callable
from typing import Annotated, Any

from annotated_types import Gt, Lt

from recast.data.prepare.grid import Grid
from recast.data.sources.source import Source
from recast.nn.models.model import ForecastModel
from recast.nn.recurrence.engine import Engine
from recast.options import PositiveInt, Seed, checked


class Paths:
    """Where data are read and runs are written.

    Args:
        data_dir: Folder of data files; the environment variable RECAST_DATA_DIR, else `data`. [folder]
        output_dir: Folder that run folders are made in. [folder]
    """

    @checked
    def __init__(self, *, data_dir: str, output_dir: str) -> None:
        self.data_dir = data_dir
        self.output_dir = output_dir


class ForecasterParts:
    """What forecasting needs of a checkpoint's configuration.

    Args:
        model: The model, completed by the data's spec.
        source: Where the series came from, which says how tables of its kind are read.
        grid: Policy for missing and off-grid stamps; none: any irregular step is an error.
    """

    def __init__(self, *, model: Callable[..., ForecastModel], source: Source, grid: Grid | None) -> None: ...


class ForecastOptions:
    """Options of recast-forecast.

    Args:
        checkpoint: Checkpoint file of a run. [file]
        input: CSV file with the columns of the training data; its last rows are the context. [file]
        output: CSV file for the forecast. [file]
        data: Options of the checkpoint's data to change for this file: how it is read, such as
            data.source.missing=[nan] or data.source.step=10min, and what becomes of gaps (data/grid=interpolate).
            null: as in the training.
        known: CSV file with the time column and the columns known ahead, for a model that reads such; it needs a row
            for each step that is forecast. [file]
        figure: PNG file for a picture; none: no picture. [file]
        horizon: Steps to forecast; none: as many as the model was trained for. Others only with models that unroll.
            [steps]
        levels: Probabilities of the central intervals, where the model knows more than a point.
        samples: Trajectories of a stochastic head. [trajectories]
        seed: Seed of those trajectories.
        threads: Cores of the CPU that recurrences use; see `train`. [threads]
        recurrence: What runs the recurrent layers.
        trust: Packages of others whose classes the checkpoint may name; none: those of RECAST_TRUST.
    """

    def __init__(
        self,
        *,
        checkpoint: str,
        input: str,  # noqa: A002 the option's name
        output: str,
        recurrence: Engine,
        data: dict[str, Any],
        levels: list[Annotated[float, Gt(0), Lt(1)]],
        known: str | None = None,
        figure: str | None = None,
        horizon: PositiveInt | None = None,
        samples: PositiveInt = 200,
        seed: Seed = 0,
        threads: PositiveInt = 1,
        trust: list[str] | None = None,
    ) -> None: ...

"""The options that forecasting needs: what stands at the root of its configuration, and in each checkpoint."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from annotated_types import Gt, Lt

from recast.data.features.computed_feature import ComputedFeature
from recast.data.joins.join import Join
from recast.data.prepare.grid import Grid
from recast.data.prepare.scale import Scaler
from recast.data.prepare.split import Split
from recast.data.prepare.windows import Windows
from recast.data.sources.source import Source
from recast.nn.models.imputer import Imputer
from recast.nn.models.language_model import LanguageModel
from recast.nn.models.model import ForecastModel
from recast.nn.recurrence.engine import Engine
from recast.options import (
    Fraction,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Probability,
    Seed,
    checked,
)
from recast.scoring.baselines.baseline import Baseline
from recast.scoring.calibration.calibration import Calibration


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
        features: Columns that are computed; none: none.
        joins: Further tables; none: none.
        calibration: How its bands were calibrated; none: they are the model's own.
    """

    def __init__(
        self,
        *,
        model: Callable[..., ForecastModel],
        source: Source,
        grid: Grid | None,
        features: dict[str, ComputedFeature | None] | None,
        joins: dict[str, Join | None] | None,
        calibration: Calibration | None,
    ) -> None: ...


class BaselineParts:
    """What a baseline needs of a run's configuration, to be fitted again.

    Args:
        baseline: The baseline.
        source: Where the series came from.
        windows: Context, horizon and strides of the windows.
        grid: Policy for missing and off-grid stamps; none: any irregular step is an error.
        split: Policy for training, validation and test rows; none: 70, 10 and 20 per cent.
        scaler: Scaling of the channels; none: standardised.
        periods: Periods of sine and cosine inputs. [hours]
        features: Columns that are computed; none: none.
        joins: Further tables; none: none.
        season: Lag of the naive forecast in the denominator of MASE. [steps]
        removed: Share of rows whose targets are removed at random. [share of rows]
        removal_seed: Seed of these rows.
    """

    def __init__(
        self,
        *,
        baseline: Baseline,
        source: Source,
        windows: Windows,
        grid: Grid | None,
        split: Split | None,
        scaler: Scaler | None,
        periods: list[PositiveFloat] | None,
        features: dict[str, ComputedFeature | None] | None,
        joins: dict[str, Join | None] | None,
        season: PositiveInt,
        removed: Fraction,
        removal_seed: Seed,
    ) -> None: ...


class ForecastOptions:
    """Options of recast-forecast.

    Args:
        checkpoint: Checkpoint file of a run; none: `run` is given. [file]
        run: Run folder, of which the best state forecasts; none: `checkpoint` is given. [folder]
        baseline: Name of a baseline of the run, which forecasts in place of the network; "best": the one with the best
            score on the validation windows. It is fitted again on the data of the training, which must be there; its
            band are the quantiles of its errors on the validation windows. None: the network forecasts.
        input: CSV file with the columns of the training data; its last rows are the context. [file]
        output: CSV file for the forecast. [file]
        data: Options of the checkpoint's data to change for this file: how it is read, such as
            data.source.missing=[nan] or data.source.step=10min, and what becomes of gaps (data/grid=interpolate).
            null: as in the training.
        known: CSV file with the time column and the columns known ahead, for a model that reads such; it needs a row
            for each step that is forecast. [file]
        tables: CSV files of joined tables (`data.joins`) by name, as in tables.weather=FILE: their rows up to the
            origin, and beyond it where they have columns known ahead; null: the files of the training, as they are
            now. [file]
        figure: File for a picture, PNG, PDF or SVG by its ending; none: no picture. [file]
        horizon: Steps to forecast; none: as many as the model was trained for. Others only with models that unroll.
            [steps]
        levels: Probabilities of the central intervals, where the model knows more than a point or its band was
            calibrated.
        samples: Trajectories of a stochastic head. [trajectories]
        seed: Seed of those trajectories.
        threads: Cores of the CPU that recurrences use; see `train`. [threads]
        recurrence: What runs the recurrent layers.
        trust: Packages of others whose classes the checkpoint may name; none: those of RECAST_TRUST.
    """

    def __init__(
        self,
        *,
        input: str,  # noqa: A002 the option's name
        output: str,
        recurrence: Engine,
        data: dict[str, Any],
        levels: list[Annotated[float, Gt(0), Lt(1)]],
        checkpoint: str | None = None,
        run: str | None = None,
        baseline: str | None = None,
        known: str | None = None,
        tables: dict[str, str] | None = None,
        figure: str | None = None,
        horizon: PositiveInt | None = None,
        samples: PositiveInt = 200,
        seed: Seed = 0,
        threads: PositiveInt = 1,
        trust: list[str] | None = None,
    ) -> None: ...


class GeneratorParts:
    """What writing needs of a checkpoint's configuration.

    Args:
        model: The model, completed by the spec of its text.
    """

    def __init__(self, *, model: Callable[..., LanguageModel]) -> None: ...


class GenerateOptions:
    """Options of recast-generate.

    Args:
        checkpoint: Checkpoint file of a run of task=text. [file]
        prompt: What the text goes on from, one symbol at least; a line break by default.
        length: Symbols to write: characters or words, as the model was trained; 0: none. [symbols]
        temperature: Below 1 what is likely becomes likelier, above 1 less so; 0: always the likeliest.
        top_k: Draws from the k likeliest symbols only; none: from all. [symbols]
        top_p: Draws from the likeliest symbols whose probabilities add up to p; applied after `top_k`.
        likeliest: How many of the likeliest next symbols after the prompt are printed as a table; 0: no table.
        seed: Seed of the draws: the same one writes the same text.
        recurrence: What runs the recurrent layers.
        threads: Cores of the CPU that are used. [threads]
        trust: Packages of others whose classes the checkpoint may name; none: those of RECAST_TRUST.
    """

    def __init__(
        self,
        *,
        checkpoint: str,
        recurrence: Engine,
        prompt: str = "\n",
        length: NonNegativeInt = 500,
        temperature: NonNegativeFloat = 0.8,
        top_k: PositiveInt | None = None,
        top_p: Probability = 1.0,
        likeliest: NonNegativeInt = 0,
        seed: Seed = 0,
        threads: PositiveInt = 1,
        trust: list[str] | None = None,
    ) -> None: ...


class ExportOptions:
    """Options of recast-export.

    Args:
        checkpoint: Checkpoint file of a run. [file]
        output: File for the graph. [file]
        format: "onnx": an ONNX file, which ONNX Runtime and others run; needs the extra `export`. "torch_export": a
            program of torch.export, which torch.export.load reads.
        levels: Probabilities of the central intervals whose ends are the quantiles of the graph, where the model knows
            more than a point or its band was calibrated; [] for none.
        input: CSV file with the columns of the training data: the graph is checked on its last windows too; none:
            on random windows alone. [file]
        known: CSV file with the columns known ahead at the steps after its end, for a model that reads such. [file]
        tables: CSV files of joined tables by name; see `ForecastOptions`. [file]
        data: Options of the checkpoint's data to change for this file; see `ForecastOptions`.
        seed: Seed of the random windows.
        threads: Cores of the CPU that the model uses when it is compared. [threads]
        trust: Packages of others whose classes the checkpoint may name; none: those of RECAST_TRUST.
    """

    def __init__(
        self,
        *,
        checkpoint: str,
        output: str,
        data: dict[str, Any],
        levels: list[Annotated[float, Gt(0), Lt(1)]],
        format: Literal["onnx", "torch_export"] = "onnx",  # noqa: A002 the option's name
        input: str | None = None,  # noqa: A002 the option's name
        known: str | None = None,
        tables: dict[str, str] | None = None,
        seed: Seed = 0,
        threads: PositiveInt = 1,
        trust: list[str] | None = None,
    ) -> None: ...


class ImputerPart:
    """What filling the contexts of forecasts needs of a checkpoint's configuration.

    Args:
        model: The model, completed by the data's spec.
    """

    def __init__(self, *, model: Callable[..., Imputer]) -> None: ...


class ImputerParts:
    """What filling gaps needs of a checkpoint's configuration.

    Args:
        model: The model, completed by the data's spec.
        source: Where the series came from, which says how tables of its kind are read.
        grid: Policy for missing and off-grid stamps; none: missing ones are steps at which nothing was observed.
        features: Columns that are computed; none: none.
    """

    def __init__(
        self,
        *,
        model: Callable[..., Imputer],
        source: Source,
        grid: Grid | None,
        features: dict[str, ComputedFeature | None] | None,
    ) -> None: ...


class ImputeOptions:
    """Options of recast-impute.

    Args:
        checkpoint: Checkpoint file of a run of task=imputation. [file]
        input: CSV file with the columns of the training data, whose gaps are filled. [file]
        output: CSV file without gaps, with the names of the columns filled in each row. [file]
        levels: Probabilities of the intervals of filled values, where the checkpoint holds the errors of validation; []
            for none. The ends of that of 0.8 are called `<target>_lower_80` and `<target>_upper_80`.
        figure: File for a picture, PNG, PDF or SVG by its ending, of the rows around the longest gap of the first
            series, with the widest interval; none: no picture. [file]
        data: Options of the checkpoint's data to change for this file: how it is read, such as
            data.source.missing=[nan] or data.source.step=10min, and what becomes of gaps (data/grid=mask). null: as in
            the training.
        recurrence: What runs the recurrent layers.
        threads: Cores of the CPU that are used. [threads]
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
        figure: str | None = None,
        threads: PositiveInt = 1,
        trust: list[str] | None = None,
    ) -> None: ...

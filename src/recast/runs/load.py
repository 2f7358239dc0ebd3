"""A forecaster out of what a run has written: what a checkpoint needs to forecast, without its training."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recast.data.prepare.covariates import Covariates
from recast.data.prepare.grid import ErrorGrid
from recast.data.spec import SeriesSpec
from recast.errors import CheckpointError
from recast.nn.models.model import ForecastModel
from recast.runs.baseline_forecaster import BaselineForecaster
from recast.runs.checkpoints.bare_model import weights_of
from recast.runs.checkpoints.calibrated import calibrated_of
from recast.runs.checkpoints.checkpoint import ALLOWED, described, fitting
from recast.runs.checkpoints.data_options import checked_changes
from recast.runs.checkpoints.size import no_larger_than
from recast.runs.checkpoints.spec import checked_series_spec
from recast.runs.checkpoints.whole_model import whole_model
from recast.runs.configure.build import build, build_each
from recast.runs.configure.check import check
from recast.runs.configure.options import ForecasterParts
from recast.runs.configure.targets import resolve, trusting
from recast.runs.fitted_baseline import BaselineOfRun
from recast.runs.forecaster import Forecaster
from recast.runs.network_forecaster import NetworkForecaster
from recast.system.distribution import naming_extras
from recast.system.files import user_path
from recast.training.checkpoint_format import KEY, chosen_checkpoint_path


@naming_extras()
def load(
    run_or_checkpoint: str | Path, trust: Sequence[str] = (), overrides: Sequence[str] = (), baseline: str | None = None
) -> Forecaster:
    """A trained model, or a baseline that it was compared with, ready to forecast.

    Nothing that a file holds is run: it is read as data, and may name classes of recast alone, and of packages that are
    trusted. Nothing of Lightning is imported.

    Args:
        run_or_checkpoint: A run folder, whose best state is taken (the last one where there was no validation), or a
            checkpoint file.
        trust: Packages of others whose classes may be named; see `recast.runs.configure.targets.trusting`.
        overrides: How tables are read, where otherwise than in the training, as on the command line:
            "data.source.missing=[nan]", "data.source.step=10min", "data/grid=interpolate".
        baseline: Name of a baseline of the run, fitted again on the data of the training; "best": the one with the best
            score on the validation windows. None: the model.

    Raises:
        CheckpointError: if the file cannot be read safely, its parts do not fit each other, or it does not forecast.
        ConfigurationError: if an override is wrong, or the run has no such baseline.
        DataError: if the data that a baseline is fitted on are gone or have changed.
    """
    data_options: dict[str, Any] = {}
    if overrides:
        from recast.runs.configure.flat import compose_data

        data_options = compose_data(overrides)
    return load_with(run_or_checkpoint, trust, data_options, baseline)


def load_with(
    run_or_checkpoint: str | Path,
    trust: Sequence[str],
    data_options: Mapping[str, Any],
    baseline: str | None = None,
) -> Forecaster:
    """The same as `load`.

    Args:
        run_or_checkpoint: See `load`.
        trust: See `load`.
        data_options: Options of the checkpoint's data; see `recast.runs.checkpoints.data_options.changed`.
        baseline: See `load`.

    Raises:
        CheckpointError: see `load`.
        ConfigurationError: see `load`.
        DataError: see `load`.
    """
    if baseline is None:
        return load_network(run_or_checkpoint, trust, data_options)
    of_run = BaselineOfRun(user_path(run_or_checkpoint), baseline, trust)
    return BaselineForecaster(of_run, *of_run.reading(data_options))


def load_network(
    run_or_checkpoint: str | Path, trust: Sequence[str], data_options: Mapping[str, Any]
) -> NetworkForecaster:
    """The trained model.

    Args:
        run_or_checkpoint: See `load`.
        trust: See `load`.
        data_options: See `load_with`.

    Raises:
        CheckpointError: see `load`.
        ConfigurationError: see `load`.
    """
    path = user_path(run_or_checkpoint)
    path = chosen_checkpoint_path(path) if path.is_dir() else path
    content, config = described(path)
    with trusting(*trust), fitting(path):
        model_class = resolve(config["model"]["_target_"], ALLOWED)
        if not issubclass(model_class, ForecastModel):
            raise CheckpointError(
                f"{path}: it holds a {model_class.__name__}, which does not forecast a series; recast-evaluate scores "
                "it, on other files too (path=...)"
            )
        parts = {
            "model": config["model"],
            **{name: config["data"].get(name) for name in ("source", "grid", "features", "joins")},
            "calibration": config["task"].get("calibration"),
        }
        check(parts, ForecasterParts, allowed=ALLOWED)
    with trusting(*trust):
        parts = checked_changes(parts, data_options, ForecasterParts)
        source = build(parts["source"], ALLOWED)
        grid = build(parts["grid"], ALLOWED) if parts["grid"] else ErrorGrid()
        covariates = Covariates(*(build_each(parts[name], ALLOWED) for name in ("features", "joins")))
        calibration = build(parts["calibration"], ALLOWED) if parts["calibration"] else None
    with trusting(*trust), fitting(path):
        spec = checked_series_spec(content[KEY].get("spec"))
        weights = weights_of(content)
        size = path.stat().st_size

        def build_model(spec: SeriesSpec) -> ForecastModel:
            # The weights lie in the file as they are, at least in half precision.
            with trusting(*trust), no_larger_than(2 * size):
                return whole_model(parts["model"], spec, ALLOWED)

        forecaster = NetworkForecaster(
            build_model=build_model,
            spec=spec,
            source=source,
            grid=grid,
            covariates=covariates,
            calibrated=calibrated_of(calibration, content[KEY], spec),
        )
        forecaster.model.load_state_dict(weights)
        forecaster.model.eval()
    return forecaster

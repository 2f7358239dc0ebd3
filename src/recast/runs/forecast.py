"""Forecasting beyond the end of a CSV file, with a checkpoint and nothing else."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from recast.data.panel import Panel
from recast.data.prepare.describe import align
from recast.data.prepare.future import beyond_end, future_times, until_last_observed
from recast.data.prepare.storage import stored
from recast.data.spec import SeriesSpec
from recast.errors import ConfigurationError
from recast.figures.panels import TargetPanels, target_panels
from recast.figures.plot import Plot
from recast.figures.png import save
from recast.runs.forecaster import Forecaster, restore_forecaster
from recast.runs.machine import set_up
from recast.system.files import write_text
from recast.types import Batch, Forecast


def forecast_file(config: dict[str, Any]) -> Path:
    """Forecasts the steps after the last row of a CSV file; writes them as CSV and as PNG.

    The output holds a time column, the forecast of each target, and for a head that knows more than a point the ends of
    a central band, `<target>_lower` and `<target>_upper`.

    Args:
        config: A configuration of recast-forecast that has passed the check, in plain containers.

    Returns:
        The path of the picture.

    Raises:
        InputError: if checkpoint or file cannot be used; nothing is written then.
    """
    set_up(config)
    output = Path(config["output"])
    figure = Path(config["figure"] or output.with_suffix(".png"))
    _require_different(config | {"figure": str(figure)})
    restored = restore_forecaster(config["checkpoint"])
    series = restored.data.grid.apply(restored.data.source.for_file(config["input"]).read())
    series = until_last_observed(align(series, restored.spec))
    batch = _window(series, restored.spec, _known(config, restored))
    forecast = restored.task.forecast(batch, samples=config["samples"], seed=config["seed"])
    times = future_times(series.clock[-1], restored.spec.step, restored.spec.horizon)
    band = _band(forecast, config["level"])
    write_text(output, _table(restored.spec, times, forecast, band).to_csv(index=False))
    save(
        target_panels(
            _panels(series, times, forecast, band=band, level=config["level"]),
            title=f"forecast from {Path(config['input']).name}",
            timezone=series.timezone,
        ),
        figure,
    )
    return figure


def _require_different(config: dict[str, Any]) -> None:
    """Nothing that is read, or was written before, is overwritten."""
    given: dict[Path, str] = {}
    for option in ("checkpoint", "input", "known", "output", "figure"):
        if config[option] is None:
            continue
        path = Path(config[option]).resolve()
        if path in given and (option, given[path]) != ("known", "input"):
            raise ConfigurationError(f"{option}={config[option]}: the same file as {given[path]}; give another")
        given[path] = option


def _known(config: dict[str, Any], restored: Forecaster) -> Panel | None:
    """The inputs known ahead, from the file that the configuration names; None where the model has none."""
    columns, path = restored.spec.of("known"), config["known"]
    if not columns:
        if path is not None:
            raise ConfigurationError(f"known={path}: the model reads no columns known ahead; leave it out")
        return None
    if path is None:
        names = ", ".join(column.name for column in columns)
        raise ConfigurationError(
            f"the model reads inputs known ahead ({names}); give known=FILE, a CSV file with their values at the "
            f"{restored.spec.horizon} steps after the last row of input={config['input']}"
        )
    return restored.data.source.read_known(path)


def _window(panel: Panel, spec: SeriesSpec, known: Panel | None) -> Batch:
    """The one window whose origin is the last row."""
    storage = stored(beyond_end(panel, spec, known), spec)
    return storage.windows(torch.zeros(1, dtype=torch.int64), spec.context, spec.horizon)


def _band(forecast: Forecast, level: float) -> np.ndarray | None:
    """Lower and upper ends of the central band, shape (2, horizon, targets); None for a point.

    Raises:
        ConfigurationError: if the forecast does not know a band that wide.
    """
    band = forecast.interval(level)
    if band is not None:
        return np.stack([end[0].numpy() for end in band])
    if forecast.widest is None:
        return None
    remedy = "train with wider levels" if forecast.samples is None else "draw more samples (samples=)"
    raise ConfigurationError(
        f"level={level}: the forecast knows central bands up to level {forecast.widest:.4g}; lower it, or {remedy}"
    )


def _table(spec: SeriesSpec, times: np.ndarray, forecast: Forecast, band: np.ndarray | None) -> pd.DataFrame:
    stamps = pd.DatetimeIndex(times)
    columns: dict[str, Any] = {"datetime": stamps.tz_localize("UTC") if spec.timezone else stamps}
    for target, name in enumerate(spec.target_names):
        columns[name] = forecast.mean[0, :, target].numpy()
        if band is not None:
            columns[f"{name}_lower"], columns[f"{name}_upper"] = band[0, :, target], band[1, :, target]
    return pd.DataFrame(columns)


def _panels(
    series: Panel, times: np.ndarray, forecast: Forecast, *, band: np.ndarray | None, level: float
) -> list[TargetPanels]:
    tail = min(len(series) - int(series.starts[-1]), max(3 * len(times), 20))
    return [
        TargetPanels(
            name,
            unit,
            (
                Plot(
                    title="",
                    context_times=series.clock[-tail:],
                    context=series.targets[-tail:, target],
                    future_times=times,
                    truth=None,
                    mean=forecast.mean[0, :, target].numpy(),
                    lower=None if band is None else band[0, :, target],
                    upper=None if band is None else band[1, :, target],
                    level=None if band is None else level,
                ),
            ),
        )
        for target, (name, unit) in enumerate(
            (column.name, column.unit) for column in series.columns if column.role == "target"
        )
    ]

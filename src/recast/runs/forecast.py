"""Forecasting beyond the end of a CSV file, with a checkpoint and nothing else."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from recast.checkpoints.checkpoint import Restored, restore
from recast.errors import ConfigurationError, DataError
from recast.figures.panel import Panel
from recast.figures.panels import target_panels
from recast.figures.png import save
from recast.figures.targets import TargetPanels
from recast.files import write_text
from recast.prepare.future import future_times
from recast.prepare.prepare import check_channels, scaled_storage
from recast.runs.machine import set_up
from recast.types import Batch, Forecast, Series


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
    restored = restore(config["checkpoint"])
    series = restored.data.grid.apply(restored.data.source.for_file(config["input"]).read())
    check_channels(series, restored.spec)
    batch = _context(series, restored)
    forecast = restored.task.forecast(batch, samples=config["samples"], seed=config["seed"])
    times = future_times(series.times[-1], restored.spec.step, restored.spec.horizon)
    band = _band(forecast, config["level"])
    write_text(output, _table(series, times, forecast, band).to_csv(index=False))
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
    for option in ("checkpoint", "input", "output", "figure"):
        path = Path(config[option]).resolve()
        if path in given:
            raise ConfigurationError(f"{option}={config[option]}: the same file as {given[path]}; give another")
        given[path] = option


def _context(series: Series, restored: Restored) -> Batch:
    spec = restored.spec
    rows = len(series) - int(series.starts[-1])
    if rows < spec.context:
        gap = "" if len(series.starts) == 1 else f" after the last gap, which ends at {series.times[series.starts[-1]]}"
        raise DataError(
            f"{series.label}: {rows} rows{gap}; the model reads the last {spec.context} steps without a gap"
        )
    last = Series(
        times=np.concatenate([series.times[-spec.context :], future_times(series.times[-1], spec.step, spec.horizon)]),
        # What is not known yet is never looked at; the offset scales to 0.
        values=np.concatenate([series.values[-spec.context :], np.tile(spec.offset, (spec.horizon, 1))]),
        names=series.names,
        units=series.units,
        targets=series.targets,
        step=series.step,
        starts=np.zeros(1, dtype=np.int64),
        label=series.label,
        timezone=series.timezone,
    )
    storage = scaled_storage(last, spec).unsqueeze(0)
    return Batch(
        context=storage[:, : spec.context],
        target=storage[:, spec.context :, : spec.targets],
        known=storage[:, spec.context :, len(spec.names) :],
        start=torch.zeros(1, dtype=torch.int64),
    )


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


def _table(series: Series, times: np.ndarray, forecast: Forecast, band: np.ndarray | None) -> pd.DataFrame:
    stamps = pd.DatetimeIndex(times)
    columns: dict[str, Any] = {"datetime": stamps.tz_localize("UTC") if series.timezone else stamps}
    for target, name in enumerate(series.names[: series.targets]):
        columns[name] = forecast.mean[0, :, target].numpy()
        if band is not None:
            columns[f"{name}_lower"], columns[f"{name}_upper"] = band[0, :, target], band[1, :, target]
    return pd.DataFrame(columns)


def _panels(
    series: Series, times: np.ndarray, forecast: Forecast, *, band: np.ndarray | None, level: float
) -> list[TargetPanels]:
    tail = min(len(series) - int(series.starts[-1]), max(3 * len(times), 20))
    return [
        TargetPanels(
            name,
            unit,
            (
                Panel(
                    title="",
                    context_times=series.times[-tail:],
                    context=series.values[-tail:, target],
                    future_times=times,
                    truth=None,
                    mean=forecast.mean[0, :, target].numpy(),
                    lower=None if band is None else band[0, :, target],
                    upper=None if band is None else band[1, :, target],
                    level=None if band is None else level,
                ),
            ),
        )
        for target, (name, unit) in enumerate(zip(series.names[: series.targets], series.units, strict=False))
    ]

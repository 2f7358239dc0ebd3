"""Forecasting beyond the end of a CSV file, with a checkpoint and nothing else."""

from pathlib import Path
from typing import Any

from recast.errors import ConfigurationError
from recast.runs.command_files import with_files
from recast.runs.load import load_with
from recast.runs.machine import set_up
from recast.runs.series_forecast import SeriesForecast
from recast.system.files import write_text

FILES = ("checkpoint", "run", "input", "known", "output", "figure")
"""The options that name files."""


def forecast_file(config: dict[str, Any]) -> None:
    """Forecasts the steps after the last row of each series of a CSV file.

    They are written as CSV, as `recast.runs.series_forecast.SeriesForecast.text` says, and where it is asked for as a
    picture.

    Args:
        config: A configuration of recast-forecast that has passed the check, in plain containers.

    Raises:
        InputError: if checkpoint or file cannot be used; nothing is written then.
    """
    set_up(config)
    # The inputs known ahead may stand in the same file as the rest.
    config = with_files(config, FILES, same={("known", "input")})
    forecaster = load_with(_place(config), config["trust"] or (), config["data"], config["baseline"])
    known = None if config["known"] is None else forecaster.source.load(config["known"])
    tables = {name: forecaster.covariates.load(name, path) for name, path in (config["tables"] or {}).items()}
    found = forecaster.forecast_table(
        forecaster.source.load(config["input"]),
        known,
        tables=tables,
        horizon=config["horizon"],
        samples=config["samples"],
        seed=config["seed"],
    )
    write_text(Path(config["output"]), found.text(config["levels"]))
    if config["figure"] is not None:
        _draw(found, config)


def _place(config: dict[str, Any]) -> str:
    """The checkpoint, or the run folder."""
    given = [config[option] for option in ("checkpoint", "run") if config[option] is not None]
    if len(given) != 1:
        raise ConfigurationError(
            f"checkpoint, run: found {'both' if given else 'none'}, expected one of them: "
            "checkpoint=RUN/checkpoints/best.ckpt, or run=RUN for its best state"
        )
    if config["run"] is not None and not Path(config["run"]).is_dir():
        raise ConfigurationError(f"run={config['run']}: no such folder")
    return given[0]


def _draw(found: SeriesForecast, config: dict[str, Any]) -> None:
    # Matplotlib takes longer to import than a forecast to make.
    from recast.figures.forecast import picture
    from recast.figures.png import save

    level = max(config["levels"], default=None)
    figure = picture(
        found.series,
        found.times,
        found.forecast.mean.numpy(),
        band=None if level is None else found.band(level),
        level=level,
        title=f"forecast from {Path(config['input']).name}",
    )
    save(figure, Path(config["figure"]))

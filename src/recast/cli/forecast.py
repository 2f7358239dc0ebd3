"""recast-forecast: forecasts beyond the end of a CSV file."""

import os
import sys
from pathlib import Path

from recast.cli.application import application_without_hydra

HELP = """recast-forecast forecasts beyond the end of a CSV file; it needs the checkpoint and the file alone.
A baseline of a run forecasts too (baseline=NAME, or best): it is fitted again on the data of the training.

  recast-forecast checkpoint=RUN/checkpoints/best.ckpt input=new.csv output=forecast.csv
  recast-forecast checkpoint=... input=new.csv output=forecast.csv figure=forecast.png levels=[0.5,0.9]
  recast-forecast run=RUN baseline=best input=new.csv output=forecast.csv

Options (override with option=value):
"""


def forecast(overrides: list[str]) -> None:
    """Checks the configuration, forecasts, prints the paths of picture and table."""
    from recast.runs.configure.check import accepted
    from recast.runs.configure.flat import compose_flat
    from recast.runs.configure.options import ForecastOptions
    from recast.runs.forecast import forecast_file

    options = compose_flat("forecast", overrides)
    with accepted(options, ForecastOptions):
        forecast_file(options)
    if not _is_output(options["output"]):
        if options["figure"]:
            print(options["figure"])
        print(options["output"], flush=True)


def _is_output(path: str) -> bool:
    """Whether a file is what this process prints to."""
    try:
        return os.path.samestat(Path(path).stat(), os.fstat(sys.stdout.fileno()))
    except (OSError, ValueError):
        return False


def main() -> None:
    """The command."""
    application_without_hydra("forecast", HELP, forecast)


if __name__ == "__main__":
    main()

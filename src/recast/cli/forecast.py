"""recast-forecast: forecasts beyond the end of a CSV file."""

from omegaconf import DictConfig

from recast.cli.application import application


def job(config: DictConfig) -> None:
    """Checks the configuration, forecasts, prints the paths of table and picture."""
    from recast.runs.configure.check import check
    from recast.runs.configure.compose import plain
    from recast.runs.configure.options import ForecastOptions
    from recast.runs.forecast import forecast_file
    from recast.runs.trainer import quiet_lightning

    quiet_lightning()
    options = plain(config)
    check(options, ForecastOptions)
    figure = forecast_file(options)
    print(figure)
    print(options["output"], flush=True)


def main() -> None:
    """The command."""
    application("forecast", job)


if __name__ == "__main__":
    main()

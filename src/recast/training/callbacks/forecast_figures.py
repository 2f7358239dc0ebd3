"""Forecast figures during training: in the loggers, and as files."""

from pathlib import Path

import lightning.pytorch as pl
from matplotlib.figure import Figure

from recast.figures.leads import lead_errors
from recast.figures.panels import target_panels
from recast.figures.png import save
from recast.options import PositiveInt, checked
from recast.scoring.metrics.description import of_pictures
from recast.training.callbacks.windows_to_show import forecast_windows, shown_part
from recast.training.loggers.find import adapter_of


class ForecastFigures(pl.Callback):
    """Draws forecasts from a few validation windows, and the error at each lead along with those of the baselines.

    With several targets, each has its own row, with at most three windows. Both figures go to the loggers and, under
    the same names, to `figures/` in the run's folder.

    Args:
        every_n_epochs: Epochs between figures; the last epoch is always drawn. [epochs]
        windows: Forecasts drawn, spread evenly over the validation windows; at most 6. [windows]
    """

    @checked
    def __init__(self, *, every_n_epochs: PositiveInt = 1, windows: PositiveInt = 4) -> None:
        super().__init__()
        self.every_n_epochs = every_n_epochs
        self.windows = windows

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draws if due."""
        shown = shown_part(trainer)
        last = trainer.current_epoch + 1 == trainer.max_epochs
        due = last or (trainer.current_epoch + 1) % self.every_n_epochs == 0
        if shown is None or not due or trainer.sanity_checking:
            return
        task, data = shown
        metrics = task.metrics_of("validation")
        name = of_pictures(metrics)
        # With several processes, all take part in gathering it.
        errors = None if name is None else metrics[name].per_lead().cpu().numpy()
        if not trainer.is_global_zero:
            return
        spec = data.spec
        targets = forecast_windows(task, data, "validation", self.windows)
        title = f"validation, epoch {trainer.current_epoch + 1}"
        figure = target_panels(targets, title=title, timezone=spec.timezone)
        log_figure(trainer, "validation_forecasts", figure, trainer.global_step)
        if errors is not None and name is not None:
            curves = {**task.references, "model": errors}
            unit = metrics[name].description.unit
            figure = lead_errors(curves, unit=unit, metric=metrics[name].title, step=spec.step, highlight="model")
            log_figure(trainer, "validation_error_per_lead", figure, trainer.global_step)


def log_figure(trainer: pl.Trainer, name: str, figure: Figure, step: int) -> None:
    """Writes a figure to `figures/<name>.png` of the run and, at a step, to its loggers."""
    path = Path(trainer.default_root_dir) / "figures" / f"{name}.png"
    save(figure, path)
    for logger in trainer.loggers:
        adapter_of(type(logger)).figure(logger, name, figure, path, step)

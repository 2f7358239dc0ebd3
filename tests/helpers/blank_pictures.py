"""Pictures at the end of small runs are blank: to draw them takes a quarter of such a run.

Runs that draw while they train (callbacks.figures) draw these too; so does all that draws without a run.
"""

import lightning.pytorch as pl
from matplotlib.figure import Figure

from recast.runs import pictures
from recast.training.callbacks.forecast_figures import ForecastFigures

drawn = pictures.log_figure


def log_figure(trainer: pl.Trainer, name: str, figure: Figure, step: int) -> None:
    """A file and, at a step, an entry of TensorBoard's log, as of the figure."""
    draws = any(isinstance(callback, ForecastFigures) for callback in trainer.callbacks)
    drawn(trainer, name, figure if draws else Figure(figsize=(1, 1)), step)


def install() -> None:
    """From now on, in this process and its children."""
    pictures.log_figure = log_figure

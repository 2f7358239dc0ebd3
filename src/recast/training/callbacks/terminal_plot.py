"""The same figures as text, for watching training in a terminal."""

import shutil
from dataclasses import replace

import lightning.pytorch as pl
import torch
from rich import print as rich_print
from rich.text import Text

from recast.figures.terminal import terminal_forecast
from recast.options import PositiveInt, checked
from recast.training.callbacks.windows_to_show import forecast_windows, shown_part

MOST_TARGETS = 4


class TerminalPlot(pl.Callback):
    """Prints a forecast of each of the first four targets from the middle of the validation part every few epochs.

    Args:
        every_n_epochs: Epochs between plots. [epochs]
        height: Lines of a plot. [lines]
    """

    @checked
    def __init__(self, *, every_n_epochs: PositiveInt = 1, height: PositiveInt = 18) -> None:
        super().__init__()
        self.every_n_epochs = every_n_epochs
        self.height = height

    @torch.no_grad()
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Prints if due."""
        shown = shown_part(trainer)
        due = (trainer.current_epoch + 1) % self.every_n_epochs == 0
        if shown is None or not due or trainer.sanity_checking or not trainer.is_global_zero:
            return
        task, data = shown
        targets = forecast_windows(task, data, "validation", 1)
        rich_print(Text(f"\nepoch {trainer.current_epoch + 1}"))
        for target in targets[:MOST_TARGETS]:
            (panel,) = target.panels
            text = terminal_forecast(
                replace(panel, title=f"{target.name}, {panel.title}"),
                unit=target.unit,
                width=max(50, min(shutil.get_terminal_size().columns, 120)),
                height=max(self.height, 13),
                timezone=data.spec.timezone,
            )
            rich_print(Text(text))
        if len(targets) > MOST_TARGETS:
            rich_print(Text(f"and {len(targets) - MOST_TARGETS} more targets"))

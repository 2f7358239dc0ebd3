"""Progress of a run: a bar in the terminal, and a file for outside observers."""

import json
import math
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import rich
from lightning.pytorch.callbacks import RichProgressBar
from rich import get_console
from rich.progress import ProgressColumn, Task
from rich.style import Style
from rich.table import Column
from rich.text import Text

from recast.options import PositiveFloat, PositiveInt, checked
from recast.system.files import write_json

WIDE = 110  # columns in which everything fits


SHORT = 10  # columns of the bar in a narrower terminal


def _cut_off(render: Callable[[Task], Text]) -> Callable[[Task], Text]:
    """Makes the text end in an ellipsis where it would fold."""

    def rendered(task: Task) -> Text:
        text = render(task)
        text.no_wrap, text.overflow = True, "ellipsis"
        return text

    return rendered


class RemainingTime(ProgressColumn):
    """The time that is left, as in "0:01:30".

    Args:
        style: Its style.
    """

    max_refresh = 0.5

    def __init__(self, style: str | Style) -> None:
        super().__init__()
        self._style = style

    def render(self, task: Task) -> Text:
        """The text."""
        left = task.time_remaining
        return Text("-:--:--" if left is None else str(timedelta(seconds=int(left))), style=self._style)


class ProgressBar(RichProgressBar):
    """Lightning's rich progress bar in one line, without the logger's version; epochs are counted from 1.

    In a terminal of fewer than 110 columns the bar is short, without speed and time passed; metrics that are still too
    long end in an ellipsis. There is none in a notebook without ipywidgets.

    Args:
        refresh_rate: Most refreshes per second; one takes about as long as a step of a small network. [1/s]
    """

    @checked
    def __init__(self, *, refresh_rate: PositiveInt = 4) -> None:
        super().__init__(refresh_rate=refresh_rate)
        self._due = 0.0
        self._batches = 0

    def setup(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """In such a notebook rich draws nothing, but leaves empty outputs and a warning at each start."""
        super().setup(trainer, pl_module, stage)
        if rich.get_console().is_jupyter and find_spec("ipywidgets") is None:
            self.disable()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Lightning collects what is shown after each batch, even if it is not drawn."""
        self._batches = batch_idx + 1
        now = time.monotonic()
        if now >= self._due:
            self._due = now + 1 / self.refresh_rate
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Shows the last batches as well."""
        self._update(self.train_progress_bar_id, self._batches)
        super().on_train_epoch_end(trainer, pl_module)

    def configure_columns(self, trainer: pl.Trainer) -> list[Any]:
        """The columns before the metrics, as many as the terminal has room for."""
        described, bar, batches, spent, speed = super().configure_columns(trainer)
        found = [described, bar, batches, spent, speed]
        if get_console().width < WIDE:
            bar.bar_width = SHORT
            found = [described, bar, batches, RemainingTime(self.theme.time)]
        for column in found:
            column._table_column = Column(no_wrap=True)  # noqa: SLF001 given to the constructor, which is Lightning's
        return found

    def _init_progress(self, trainer: pl.Trainer) -> None:
        super()._init_progress(trainer)
        if self._metric_component is not None:
            # Of a table that is too wide rich narrows the columns that may fold.
            vars(self._metric_component)["render"] = _cut_off(self._metric_component.render)

    def _get_train_description(self, current_epoch: int) -> str:
        of = "" if self.trainer.max_epochs in (None, -1) else f"/{self.trainer.max_epochs}"
        return f"Epoch {current_epoch + 1}{of}"

    def get_metrics(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Any]:
        """The values shown next to the bar."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        return metrics


def progress_path(root: str | Path) -> Path:
    """The progress file of the run in the folder `root`."""
    return Path(root) / "progress.json"


class ProgressFile(pl.Callback):
    """Writes `progress.json` into the run's folder, atomically, so that a reader never sees a partial file.

    It holds the `phase` (training, validating, testing, finishing: figures and results), `step` and `total_steps`,
    `epoch` and `total_epochs` (a total is null where none was planned), `monitor`, the latest value of each validation
    curve, and the `time` of writing.

    Args:
        every_seconds: Least time between two writes within a phase; a new phase is written immediately. [s]

    Attributes:
        clock: The clock it is compared with. [s]
    """

    @checked
    def __init__(self, *, every_seconds: PositiveFloat = 2.0) -> None:
        super().__init__()
        self.every_seconds = every_seconds
        self.clock: Callable[[], float] = time.monotonic
        self._phase: str | None = None
        self._due = 0.0
        self._trained = False
        self._total_steps: int | None = None
        self._monitor: dict[str, float | None] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes the planned length of training."""
        steps = trainer.estimated_stepping_batches
        self._trained = True
        self._total_steps = None if math.isinf(steps) else int(steps)
        self._write(trainer, "training")

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Writes if due."""
        self._write(trainer, "training")

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes the new phase."""
        if not trainer.sanity_checking:
            self._write(trainer, "validating")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes the new points of the validation curves."""
        if trainer.sanity_checking:
            return
        values = {name: trainer.callback_metrics.get(name) for name in getattr(pl_module, "validation_curves", [])}
        found = {name: value.item() for name, value in values.items() if value is not None}
        self._monitor = {name: value if math.isfinite(value) else None for name, value in found.items()}
        self._write(trainer, "training")

    def on_test_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes the new phase."""
        self._write(trainer, "testing")

    def on_test_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Writes the new phase."""
        self._write(trainer, "finishing")

    def _write(self, trainer: pl.Trainer, phase: str) -> None:
        now = self.clock()
        if not trainer.is_global_zero or (phase == self._phase and now < self._due):
            return
        path = progress_path(trainer.default_root_dir)
        # A run trained by an earlier process is only tested; its final position is in the file.
        position = self._position(trainer) if self._trained else _read(path)
        stamp = datetime.now().astimezone().isoformat(timespec="seconds")
        # Transient information need not survive a power failure; waiting for the disk would cost steps.
        write_json(path, {"phase": phase, **position, "time": stamp}, durable=False)
        self._phase, self._due = phase, now + self.every_seconds

    def _position(self, trainer: pl.Trainer) -> dict[str, Any]:
        return {
            "step": trainer.global_step,
            "total_steps": self._total_steps,
            "epoch": trainer.current_epoch,
            "total_epochs": None if trainer.max_epochs in (None, -1) else trainer.max_epochs,
            "monitor": self._monitor,
        }


def _read(path: Path) -> dict[str, Any]:
    nothing = {"step": 0, "total_steps": None, "epoch": 0, "total_epochs": None, "monitor": {}}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return nothing
    return {name: found.get(name, value) for name, value in nothing.items()} if isinstance(found, dict) else nothing

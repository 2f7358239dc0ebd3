"""The progress bar: drawn now and then, complete at the end."""

import io
import logging
import re

import lightning.pytorch as pl
import pytest
import rich.console
import torch
from torch.utils.data import DataLoader

from recast.errors import ConfigurationError
from recast.system.console import PresentStdout
from recast.training.callbacks import progress
from recast.training.callbacks.progress import ProgressBar

BATCHES = 7


class Counted(ProgressBar):
    """Counts what Lightning puts together, and keeps what was shown at the end of each epoch."""

    def __init__(self, *, refresh_rate):
        super().__init__(refresh_rate=refresh_rate)
        self.updates = 0
        self.shown = []

    def _update_metrics(self, trainer, pl_module):
        self.updates += 1
        super()._update_metrics(trainer, pl_module)

    def on_train_epoch_end(self, trainer, pl_module):
        super().on_train_epoch_end(trainer, pl_module)
        self.shown.append((self.train_progress_bar.completed, set(self.get_metrics(trainer, pl_module))))


class Line(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.slope = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch, batch_idx):
        loss = (self.slope * batch - 1).square().mean()
        self.log("loss", loss, prog_bar=True, logger=False)
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def drawn(tmp_path, refresh_rate, module=None, terminal=None):
    bar = Counted(refresh_rate=refresh_rate)
    bar._console_kwargs = terminal or {}
    trainer = pl.Trainer(
        accelerator="cpu",
        max_epochs=2,
        callbacks=[bar],
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(module or Line(), DataLoader(torch.ones(BATCHES), num_workers=0))
    return bar


@pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers")
@pytest.mark.parametrize("refresh_rate", [1, 10**9])
def test_every_epoch_ends_with_all_batches_and_the_loss(tmp_path, refresh_rate):
    assert drawn(tmp_path, refresh_rate).shown == [(BATCHES, {"loss"})] * 2


@pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers")
def test_nothing_is_put_together_that_is_not_drawn(tmp_path):
    ends = 2
    assert drawn(tmp_path, 10**9).updates == 2 * BATCHES + ends
    assert drawn(tmp_path, 1).updates < BATCHES + ends


@pytest.fixture
def console():
    """Gives rich's console back as it was."""
    console = rich.get_console()
    before = dict(vars(console))
    yield
    vars(console).clear()
    vars(console).update(before)


class Measured(Line):
    """Its metric has the name and the size of real ones; it says something to the log in each epoch."""

    def training_step(self, batch, batch_idx):
        self.log("scaled_mse/validation", 123456.789, prog_bar=True, logger=False)
        if batch_idx == BATCHES // 2:
            log.warning("a line of the log")
        return super().training_step(batch, batch_idx)


log = logging.getLogger("recast.tests.bar")


@pytest.mark.filterwarnings("ignore:The 'train_dataloader' does not have many workers")
@pytest.mark.parametrize("columns", [60, 80, 200])
@pytest.mark.usefixtures("console")
def test_the_bar_takes_one_line_and_lines_of_the_log_stand_above_it(tmp_path, columns, monkeypatch):
    written = io.StringIO()
    terminal = {"file": written, "width": columns, "force_terminal": True, "force_interactive": True, "_environ": {}}
    monkeypatch.setattr(log, "handlers", [PresentStdout()])
    monkeypatch.setattr(log, "propagate", False)
    drawn(tmp_path, 10**9, Measured(), terminal)
    # Without codes of colours and places.
    found = re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", written.getvalue()))
    bars = [line.rstrip() for line in found if line.startswith("Epoch")]
    assert [line.strip() for line in found if line.strip() and line.rstrip() not in bars] == ["a line of the log"] * 2
    assert max(map(len, found)) <= columns
    assert bars[-1].startswith("Epoch 2/2 ━")
    assert f" {BATCHES}/{BATCHES} 0:00:00 " in bars[-1]
    assert re.search(r"loss: [.\d]+$" if columns >= 80 else r"…$", bars[-1])
    assert ("it/s" in bars[-1]) == (columns == 200)


def test_the_rate_is_checked():
    with pytest.raises(ConfigurationError, match="refresh_rate"):
        ProgressBar(refresh_rate=0)


@pytest.mark.parametrize("widgets", [False, True])
def test_in_a_notebook_there_is_a_bar_only_with_widgets(widgets, monkeypatch, tmp_path):
    console = rich.console.Console(force_jupyter=True)
    monkeypatch.setattr(rich, "get_console", lambda: console)
    monkeypatch.setattr(progress, "find_spec", lambda name: name if widgets else None)
    bar = ProgressBar()
    trainer = pl.Trainer(accelerator="cpu", logger=False, default_root_dir=tmp_path, callbacks=[bar], max_epochs=1)
    bar.setup(trainer, Line(), "fit")
    assert bar.is_enabled == widgets
    monkeypatch.setattr(rich, "get_console", lambda: rich.console.Console(force_jupyter=False))
    elsewhere = ProgressBar()
    elsewhere.setup(trainer, Line(), "fit")
    assert elsewhere.is_enabled

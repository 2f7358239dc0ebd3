"""Going on with a run: what its results count."""

from pathlib import Path

import pytest
import torch
import yaml

from recast.errors import StoppedBySignalError
from recast.runs.configure.folders import register
from recast.runs.fit import run
from recast.runs.front_door import compose
from recast.training.callbacks.last_checkpoint import SECONDS, LastCheckpoint
from recast.training.checkpoint_format import last_checkpoint_path

OPTIONS = (
    "data=ar2",
    "data.source.rows=200",
    "data.windows.context=6",
    "data.windows.horizon=2",
    "model.cell.hidden_size=3",
    "trainer.max_epochs=2",
    "callbacks=default",
    "callbacks.progress_bar=null",
    "callbacks.figures=null",
    "callbacks.last_checkpoint.every_n_steps=1",
    "logger=none",
    "baselines=none",
)


def config_of(*options: str) -> dict:
    register()
    return compose([*OPTIONS, *options])


def seconds_of(folder: Path) -> float:
    return torch.load(last_checkpoint_path(folder), weights_only=True)[SECONDS]


def age(folder: Path, seconds: float | None) -> None:
    """As if the attempts so far had taken that long; None: as of a recast that did not count them."""
    path = last_checkpoint_path(folder)
    content = torch.load(path, weights_only=True)
    del content[SECONDS]
    torch.save(content if seconds is None else content | {SECONDS: seconds}, path)


@pytest.mark.slow
def test_training_counts_the_seconds_of_all_attempts(tmp_path, monkeypatch):
    def stop(self, trainer, pl_module, *given):
        if trainer.global_step == 4:
            raise StoppedBySignalError("stop")
        original(self, trainer, pl_module, *given)

    original = LastCheckpoint.on_train_batch_end
    monkeypatch.setattr(LastCheckpoint, "on_train_batch_end", stop)
    with pytest.raises(StoppedBySignalError):
        run(config_of(), tmp_path)
    monkeypatch.undo()
    first = seconds_of(tmp_path)
    assert 0 < first < 60
    age(tmp_path, 1000.0)
    results = run(config_of("resume=true"), tmp_path)
    assert 1000 < results.seconds["fit"] < 1060
    assert 1000 < seconds_of(tmp_path) <= results.seconds["fit"]
    # Once more: it has come to its end, and is scored alone.
    age(tmp_path, 2000.0)
    again = run(config_of("resume=true"), tmp_path)
    assert 2000 < again.seconds["fit"] < 2010
    assert again.model.overall == results.model.overall
    assert yaml.safe_load((tmp_path / "metrics.json").read_text())["seconds"]["fit"] > 2000
    age(tmp_path, None)
    assert 0 <= run(config_of("resume=true"), tmp_path).seconds["fit"] < 10

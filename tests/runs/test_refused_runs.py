"""Runs that could have no result are refused before training, in one line, and leave no folder."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import recast
from recast.errors import ConfigurationError, DataError
from recast.runs.configure import folders
from recast.runs.rehearsal import Rehearsal

SMALL = (
    *("data=ar2", "data.source.rows=400", "model.cell.hidden_size=4", "trainer.max_epochs=1", "baselines=none"),
    *("callbacks.progress_bar=null", "callbacks.figures=null", "logger=none"),
)
STOPPING = "{_target_: lightning.pytorch.callbacks.EarlyStopping, monitor: mse/validation}"
WANDB = "{_target_: lightning.pytorch.loggers.WandbLogger, _partial_: true}"


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["data.split.test=0"], r"^the test part is empty.*data\.split\.test=0\.2"),
        (["data/split=time", "data.split.test=2100-01-01"], "^the test part is empty.*before the end of the data"),
        (["data.split.validation=0", "learning_rate=plateau"], r"^learning_rate\.monitor=.*learning_rate=one_cycle"),
        (["trainer.limit_val_batches=0", "learning_rate=plateau"], r"leave trainer\.limit_val_batches=0 out"),
        (
            ["data.split.validation=0", f"callbacks.early_stopping={STOPPING}"],
            r"^callbacks\.early_stopping: nothing is",
        ),
        (["trainer.max_epochs=0"], r"^trainer\.max_epochs=0: nothing is trained"),
        (["trainer.max_steps=0"], r"^trainer\.max_steps=0: nothing is trained"),
        (["+trainer.limit_train_batches=0.0"], r"^trainer\.limit_train_batches=0\.0: nothing is trained"),
        (["+trainer.limit_test_batches=0"], r"^trainer\.limit_test_batches=0: nothing is scored"),
        (["+trainer.fast_dev_run=true"], "^trainer.fast_dev_run=True: .*trainer=smoke"),
        (["+trainer.enable_checkpointing=false"], "^trainer.enable_checkpointing=false: "),
        (["model.cell.hidden_size=200000"], "^model: its sizes ask for more memory.*hidden_size"),
        (["model.cell.hidden_size=1000000000000"], "^model: its sizes ask for more memory"),
        (["model.cell.hidden_size=100000000000000000000"], "^model: its sizes ask for more memory"),
    ],
)
def test_a_run_without_a_result_is_refused(words, says, tmp_path):
    given = [*SMALL, *words, f"paths.output_dir={tmp_path / 'outputs'}"]
    with pytest.raises(ConfigurationError, match=says) as caught:
        recast.fit(overrides=given)
    assert "\n" not in str(caught.value)
    # A sweep finds it before its first job.
    with pytest.raises(ConfigurationError, match=says):
        Rehearsal().rehearse(recast.compose(given))
    assert not list(tmp_path.glob("outputs/*"))


def test_a_logger_whose_package_is_missing(tmp_path, monkeypatch):
    monkeypatch.setattr("lightning.pytorch.loggers.wandb._WANDB_AVAILABLE", False)
    with pytest.raises(ConfigurationError, match=r"^logger\.w: needs .*\[wandb\]'; or choose logger="):
        recast.fit(overrides=[*SMALL, f"+logger.w={WANDB}"], folder=tmp_path)


def test_weights_that_fit_are_built(monkeypatch):
    """The bound is half of the memory: weights and their gradients."""
    config = recast.compose(SMALL)
    Rehearsal().rehearse(config)
    monkeypatch.setattr("os.sysconf", lambda name: {"SC_PHYS_PAGES": 1, "SC_PAGE_SIZE": 64}[name])
    with pytest.raises(ConfigurationError, match="ask for more memory"):
        Rehearsal().rehearse(config)


def made(output: Path) -> Path:
    return Path(folders.run_folder(str(output), False, ()))


def test_only_folders_without_a_training_are_removed(tmp_path):
    refused, trained, stranger = made(tmp_path), made(tmp_path), tmp_path / "2026-01-01" / "12-00-00"
    (refused / ".hydra").mkdir()
    (refused / "config.yaml").touch()
    (trained / "checkpoints").mkdir()
    stranger.mkdir(parents=True)
    folders.discard_refused()
    assert not refused.exists()
    assert trained.exists()
    assert stranger.exists()


def frame() -> pd.DataFrame:
    times = pd.date_range("2024-01-01", periods=300, freq="h")
    return pd.DataFrame({"when": times, "load": np.random.default_rng(0).normal(size=300)})


def test_a_refused_fit_leaves_no_folder(tmp_path):
    words = ["data.windows.context=400", f"paths.output_dir={tmp_path / 'outputs'}"]
    with pytest.raises(DataError, match="too short"):
        recast.fit(frame(), time="when", targets=["load"], overrides=words)
    assert not list(tmp_path.glob("outputs/*"))

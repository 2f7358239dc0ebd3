"""The progress of a run as others see it: always whole, never old, never in the way."""

import json
import math
import os
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from small_data import small_data
from small_tasks import task_of

from recast.data.prepare.split import FractionSplit
from recast.errors import ConfigurationError
from recast.training.callbacks.progress import ProgressFile, progress_path


class Reader(pl.Callback):
    """Reads the file as it is after each batch, and before and after each part of a run."""

    def __init__(self, folder: Path, clock: "Clock | None" = None, step: float = 0.0) -> None:
        self.path = progress_path(folder)
        self.clock = clock
        self.step = step
        self.seen: list[dict[str, Any]] = []
        for hook in ("on_train_start", "on_validation_start", "on_validation_end", "on_test_start", "on_test_end"):
            setattr(self, hook, lambda *_: self.read())

    def on_train_batch_start(self, *_: object) -> None:
        if self.clock:
            self.clock.now += self.step

    def on_train_batch_end(self, *_: object) -> None:
        self.read()

    def read(self) -> None:
        self.seen.append(json.loads(self.path.read_text()))

    def values(self, name: str) -> list[Any]:
        return [found[name] for found in self.seen]


class Clock:
    """Stands still unless it is moved."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def callbacks_of(folder: Path, step: float, every_seconds: float = 2.0) -> tuple[ProgressFile, Reader]:
    file, clock = ProgressFile(every_seconds=every_seconds), Clock()
    file.clock = clock
    return file, Reader(folder, clock, step)


def trainer_of(folder: Path, *callbacks: pl.Callback, **options: Any) -> pl.Trainer:
    quiet = {
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "num_sanity_val_steps": 1,
        "max_epochs": 2,
    }
    return pl.Trainer(default_root_dir=folder, callbacks=list(callbacks), **(quiet | options))


def trained(folder: Path, step: float, data: Any = None, **options: Any) -> tuple[Reader, pl.Trainer, Any, Any]:
    """Three batches of training, one of validation, in each of two epochs."""
    data = data or small_data()
    file, reader = callbacks_of(folder, step)
    task, trainer = task_of(data), trainer_of(folder, file, reader, **options)
    # The sanity check writes nothing; the reader would look for the file.
    reader.read, read = lambda: None if trainer.sanity_checking else read(), reader.read
    trainer.fit(task, data)
    return reader, trainer, task, data


def test_it_follows_the_run_from_phase_to_phase(tmp_path):
    reader, trainer, task, data = trained(tmp_path, step=2.0)
    trainer.test(task, data, verbose=False)
    epoch = ["training"] * 3 + ["validating", "training"]
    assert reader.values("phase") == ["training", *epoch, *epoch, "testing", "finishing"]
    assert reader.values("step") == [0, 1, 2, 3, 3, 3, 4, 5, 6, 6, 6, 6, 6]
    assert reader.values("epoch") == [0] * 6 + [1] * 5 + [2, 2]
    assert set(reader.values("total_steps")) == {6}
    assert set(reader.values("total_epochs")) == {2}
    assert list(reader.seen[0]) == ["phase", "step", "total_steps", "epoch", "total_epochs", "monitor", "time"]
    assert datetime.fromisoformat(reader.seen[-1]["time"]).tzinfo is not None


def test_monitor_holds_the_latest_validation_curves(tmp_path):
    reader, trainer, task, _ = trained(tmp_path, step=2.0)
    found = reader.values("monitor")
    assert found[:5] == [{}] * 5
    first, last = found[5], found[-1]
    assert found[6:10] == [first] * 4
    assert list(first) == task.validation_curves
    assert last == {name: trainer.callback_metrics[name].item() for name in task.validation_curves}
    assert first != last


@pytest.mark.parametrize(("step", "steps"), [(0.0, [0, 0, 0]), (1.0, [0, 2, 2]), (1.99, [0, 2, 2]), (2.0, [1, 2, 3])])
def test_within_a_phase_it_is_written_when_the_time_has_come(step, steps, tmp_path):
    reader, *_ = trained(tmp_path, step=step)
    assert reader.values("step")[1:4] == steps
    assert reader.seen[4]["phase"] == "validating"
    assert reader.values("step")[4:6] == [3, 3]


def test_a_batch_costs_no_writing(tmp_path, monkeypatch):
    written = []
    replace = Path.replace
    monkeypatch.setattr(Path, "replace", lambda self, target: written.append(target) or replace(self, target))
    trained(tmp_path, step=0.0)
    assert written == [progress_path(tmp_path)] * 5


def test_it_does_not_wait_for_the_disk(tmp_path, monkeypatch):
    def waits(_: int) -> None:
        raise AssertionError("fsync")

    monkeypatch.setattr(os, "fsync", waits)
    reader, *_ = trained(tmp_path, step=2.0)
    assert len(reader.seen) == 11


def test_a_reader_never_sees_half_of_it(tmp_path):
    whole, stop = [], threading.Event()

    def look() -> None:
        path = progress_path(tmp_path)
        # Without a pause it would take the interpreter from the training that it watches.
        while not stop.wait(0.0002):
            if path.exists():
                whole.append(json.loads(path.read_text())["time"])

    thread = threading.Thread(target=look)
    thread.start()
    try:
        trainer_of(tmp_path, ProgressFile(every_seconds=1e-9), max_epochs=10).fit(task_of(small_data()), small_data())
    finally:
        stop.set()
        thread.join()
    assert len(whole) > 10
    assert [path.name for path in tmp_path.iterdir()] == ["progress.json"]


@pytest.mark.filterwarnings("ignore:Total length of `list` across ranks is zero")  # Lightning's word for it
def test_without_validation_there_is_no_monitor_and_the_end_is_written_all_the_same(tmp_path):
    data = small_data(split=FractionSplit(validation=0.0, test=0.2))
    reader, trainer, task, _ = trained(tmp_path, step=0.0, data=data)
    trainer.test(task, data, verbose=False)
    assert reader.values("monitor") == [{}] * len(reader.seen)
    assert reader.seen[-3]["step"] == 0
    assert reader.seen[-2]["phase"] == "testing"
    assert reader.seen[-2]["step"] == reader.seen[-1]["step"] == trainer.global_step > 0


def test_totals_that_nobody_planned_are_null(tmp_path):
    reader, *_ = trained(tmp_path, step=2.0, max_epochs=-1, max_steps=4)
    assert reader.seen[-1]["total_epochs"] is None
    assert reader.seen[-1]["total_steps"] == 4
    assert reader.seen[-1]["step"] == 4
    reader, *_ = trained(tmp_path, step=2.0, max_epochs=-1, max_time={"seconds": 0.01})
    assert (reader.seen[-1]["total_epochs"], reader.seen[-1]["total_steps"]) == (None, None)


def test_what_is_no_number_becomes_null(tmp_path):
    data = small_data()
    file = ProgressFile()
    trainer = trainer_of(tmp_path, file)
    trainer.callback_metrics["mse/validation"] = torch.tensor(math.nan)
    trainer.callback_metrics["mae/validation"] = torch.tensor(1.5)
    file._trained = True
    file.on_validation_end(trainer, task_of(data))
    text = progress_path(tmp_path).read_text()
    assert json.loads(text)["monitor"] == {"mse/validation": None, "mae/validation": 1.5}


def test_only_the_first_process_writes(tmp_path, monkeypatch):
    data = small_data()
    trainer = trainer_of(tmp_path, ProgressFile())
    monkeypatch.setattr(pl.Trainer, "is_global_zero", False)
    trainer.fit(task_of(data), data)
    assert trainer.global_step == 6
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_only_tests_leaves_the_position_as_it_was(tmp_path):
    reader, _, task, data = trained(tmp_path, step=2.0)
    before = reader.seen[-1]
    file, after = callbacks_of(tmp_path, step=0.0)
    trainer_of(tmp_path, file, after).test(task, data, verbose=False)
    assert after.values("phase") == ["testing", "finishing"]
    for name in ("step", "total_steps", "epoch", "total_epochs", "monitor"):
        assert after.values(name) == [before[name]] * 2


@pytest.mark.parametrize("content", [None, "", '{"step": ', "[1]", "\0"])
def test_a_file_that_is_missing_or_broken_does_no_harm(content, tmp_path):
    if content is not None:
        progress_path(tmp_path).write_text(content)
    data = small_data()
    file, reader = callbacks_of(tmp_path, step=0.0)
    trainer_of(tmp_path, file, reader).test(task_of(data), data, verbose=False)
    assert (reader.seen[-1]["step"], reader.seen[-1]["monitor"]) == (0, {})


@pytest.mark.parametrize("value", [0.0, -1.0, "2", None])
def test_the_time_between_writings_is_checked(value):
    with pytest.raises(ConfigurationError, match="ProgressFile: every_seconds="):
        ProgressFile(every_seconds=value)

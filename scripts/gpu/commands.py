"""recast-train on the device: several processes give the model of one, and a killed run goes on where it was."""

import json
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROWS = 3_000
BATCH = 64
CLOSE = 0.02
"""Largest difference of test errors, relative: orders of summation differ, and batches are cut otherwise."""
EQUAL = 1e-4
"""The same for a run that was killed: cuDNN's backward passes add in any order."""


def options(device: str, epochs: int) -> list[str]:
    """Of a small run: an AR(2) process, a GRU, some hundred steps."""
    return [
        *("data=ar2", f"data.source.rows={ROWS}", "model.cell.hidden_size=16", f"trainer.max_epochs={epochs}"),
        *("callbacks.progress_bar=null", "callbacks.figures=null", "logger=none", "trainer.log_every_n_steps=1"),
        f"trainer.accelerator={'gpu' if device == 'cuda' else 'cpu'}",
    ]


def distributed(*, device: str, devices: int) -> dict[str, Any]:
    """Test errors of one process, and of `devices` whose batches are so many times smaller.

    Args:
        device: The device that is checked.
        devices: Processes, each with a card of its own where there are cards.

    Raises:
        AssertionError: where they differ.
    """
    with tempfile.TemporaryDirectory(prefix="recast-gpu-") as folder:
        # Without the strategy's own trainer the accelerator decides.
        one = _error(_train([*options(device, 3), f"data.batch_size={BATCH}"], Path(folder) / "one"))
        several = ["trainer=ddp", f"trainer.devices={devices}", f"data.batch_size={BATCH // devices}"]
        other = _error(_train([*several, *options(device, 3)], Path(folder) / "several"))
    assert abs(other / one - 1) < CLOSE, f"one process: {one:.5f}, {devices}: {other:.5f}"
    return {"mse of one process": one, f"mse of ddp, {devices}": other}


def resume(*, device: str) -> dict[str, Any]:
    """Test errors of a run, and of one that was killed in the middle and resumed.

    Args:
        device: The device that is checked.

    Raises:
        AssertionError: where they differ.
    """
    words = options(device, 6)
    with tempfile.TemporaryDirectory(prefix="recast-gpu-") as folder:
        whole, cut = Path(folder) / "whole", Path(folder) / "cut"
        began = time.perf_counter()
        expected = _error(_train(words, whole))
        took = time.perf_counter() - began
        killed = _kill_in_the_middle(words, cut, took)
        resumed = _error(_train([*words, "resume=true"], cut))
    assert abs(resumed / expected - 1) < EQUAL, f"whole: {expected:.7f}, resumed: {resumed:.7f}"
    return {"mse of the whole run": expected, "mse of the resumed run": resumed, "killed after step": killed}


def _command(words: list[str], folder: Path) -> list[str]:
    return [sys.executable, "-m", "recast.cli.train", *words, f"hydra.run.dir={folder}"]


def _train(words: list[str], folder: Path) -> Path:
    subprocess.run(_command(words, folder), check=True, stdout=subprocess.DEVNULL)
    return folder


def _error(folder: Path) -> float:
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["test"]["mse"]


def _kill_in_the_middle(words: list[str], folder: Path, limit: float) -> int:
    """Sends SIGTERM to a run that is a third through; the step that it had reached."""
    with subprocess.Popen(_command(words, folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.perf_counter() + 3 * limit + 60
        while (step := _step(folder)) is None and process.poll() is None and time.perf_counter() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGTERM)
        code = process.wait()
    assert step is not None, f"the run said nothing of its progress; it ended with {code}"
    assert code == 128 + signal.SIGTERM, f"the run ended with {code} before it could be killed"
    return step


def _step(folder: Path) -> int | None:
    """The step that a run has reached, as soon as it is a third through."""
    try:
        progress = json.loads((folder / "progress.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    step, total = progress["step"], progress["total_steps"]
    return step if step > total / 3 else None

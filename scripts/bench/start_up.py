"""g. Start-up: seconds from a command to its help, and to the first training step."""

import json
import os
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

from measuring.spread import spread

from recast.training.callbacks.progress import progress_path

from .process import ONE_THREAD
from .sizes import Sizes
from .table import Sheet, short

COMMAND = Path(sys.executable).parent / "recast-train"
LIMIT = 120.0
"""Seconds that are waited for at most."""


def to_the_end(*command: str) -> float:
    """Seconds that a command takes."""
    started = time.perf_counter()
    subprocess.run(command, env=os.environ | ONE_THREAD, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def to_the_first_step(*overrides: str) -> float:
    """Seconds from the start of recast-train to the end of its first training step; it is then stopped.

    The run's progress file tells of the step; it is looked at every few milliseconds.

    Raises:
        RuntimeError: if the command ends or lingers without a step.
    """
    with tempfile.TemporaryDirectory(prefix="recast-start-") as folder:
        # The progress file is written after each step.
        options = [*overrides, f"hydra.run.dir={folder}", "callbacks.progress_file.every_seconds=0.001"]
        output = Path(folder) / "output.txt"
        with output.open("w") as words:
            started = time.perf_counter()
            process = subprocess.Popen(
                [str(COMMAND), *options], env=os.environ | ONE_THREAD, stdout=words, stderr=subprocess.STDOUT
            )
        try:
            while not _has_stepped(progress_path(folder)):
                if process.poll() is not None or time.perf_counter() - started > LIMIT:
                    said = output.read_text(encoding="utf-8")
                    raise RuntimeError(f"no training step was taken by {' '.join(options)}:\n{said}")
                time.sleep(0.003)
            return time.perf_counter() - started
        finally:
            process.terminate()
            process.wait()


def _has_stepped(path: Path) -> bool:
    return path.exists() and json.loads(path.read_text(encoding="utf-8"))["step"] >= 1


def measure(sizes: Sizes) -> dict[str, Any]:
    """Each command in turn, after one start of each that warms the caches. "seconds": by what is waited for."""
    options = ["data=tide", "model/cell=gru"]
    waits = {
        'python -c "import torch"': partial(to_the_end, sys.executable, "-c", "import torch"),
        "recast-train --help": partial(to_the_end, str(COMMAND), "--help"),
        "first step, baselines=none": partial(to_the_first_step, *options, "baselines=none"),
        "first step, default baselines": partial(to_the_first_step, *options),
    }
    found: dict[str, list[float]] = {name: [] for name in waits}
    for number in range(sizes.starts + 1):
        for name, wait in waits.items():
            seconds = wait()
            if number:
                found[name].append(seconds)
    return {"seconds": {name: spread(values) for name, values in found.items()}}


def sheet(result: dict[str, Any]) -> Sheet:
    """Seconds."""
    shown = Sheet(
        "Start-up: seconds from the command on, compiled kernels kept from an earlier run",
        *("to the end of", "seconds"),
        note="recast-train data=tide model/cell=gru. Baselines are scored after training.",
    )
    for name, values in result["seconds"].items():
        shown.add(name, short(values, 2))
    return shown

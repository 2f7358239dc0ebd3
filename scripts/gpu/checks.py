"""What is checked: each check a function in a process of its own, with its options and its time."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from . import cells, forms
from .device import cards


@dataclass(frozen=True)
class Sizes:
    """Sizes of the work.

    Args:
        context: Rows that are read. [steps]
        horizon: Rows that are forecast. [steps]
        hidden: Units.
        batches: Windows in the batches that are timed. [windows]
        memory_batch: Windows in the batch whose memory is measured. [windows]
        seconds: That each way is measured. [s]
    """

    context: int = 800
    horizon: int = 100
    hidden: int = 64
    batches: tuple[int, ...] = (32, 256, 2048)
    memory_batch: int = 256
    seconds: float = 1.5


FULL = Sizes()
REHEARSAL = Sizes(context=40, horizon=8, hidden=16, batches=(8,), memory_batch=8, seconds=0.05)
FORCING = {0.0: "free running", 0.5: "mixed", 1.0: "forced"}


@dataclass(frozen=True)
class Check:
    """One of them.

    Args:
        group: Of checks of the same kind, as --only names it.
        name: Its own name.
        function: "module:function" beside this file's folder.
        seconds: After which it is killed. [s]
        options: Of the function, beside `device`.
    """

    group: str
    name: str
    function: str
    seconds: float
    options: dict[str, Any] = field(default_factory=dict)


def checks(device: str, sizes: Sizes) -> Iterator[Check]:
    """All checks, those first that say most about the others.

    Args:
        device: "cuda" or "cpu".
        sizes: Of the work.
    """
    for cell in ("gru", "lstm", "rnn"):
        for forcing, words in FORCING.items():
            options = {"cell": cell, "forcing": forcing, "context": 40, "horizon": 12}
            yield Check("loops", f"{cell}, {words}", "gpu.loops:agreement", 60, options)
    for name in cells.names():
        yield Check("cells", name, "gpu.cells:agreement", 60, {"name": name})
    for name in forms.names():
        yield Check("forms", name, "gpu.forms:agreement", 60, {"name": name})
    yield Check("resume", "killed and resumed", "gpu.commands:resume", 120)
    for devices in sorted({1, cards(device)}):
        yield Check("ddp", f"{devices} processes", "gpu.commands:distributed", 120, {"devices": devices})
    size = {"context": sizes.context, "horizon": sizes.horizon, "hidden": sizes.hidden}
    yield Check("memory", "MiB", "gpu.memory:peak", 60, size | {"batch": sizes.memory_batch})
    for batch in sizes.batches:
        for forcing, words in FORCING.items():
            options = size | {"batch": batch, "forcing": forcing, "seconds": sizes.seconds}
            yield Check("speed", f"batch {batch}, {words}, windows/s", "gpu.speed:windows_a_second", 90, options)


GROUPS = ("loops", "cells", "forms", "resume", "ddp", "memory", "speed")

"""Memory that a training step takes at its peak."""

from typing import Any

import torch
from bench import resident
from bench.routes import Case

from .device import finished
from .loops import placed
from .speed import SHOWN, training

STEPS = 3
MIB = 2**20


def peak(*, device: str, batch: int, context: int, horizon: int, hidden: int) -> dict[str, Any]:
    """MiB beyond those of weights and data, by way; each way has its own graph, pools included.

    Args:
        device: The device that is measured.
        batch: Windows in a batch. [windows]
        context: Rows that are read. [steps]
        horizon: Rows that are forecast. [steps]
        hidden: Units.
    """
    case = Case(context=context, horizon=horizon, hidden=hidden, batch=batch)
    routes = placed(case, device, "cuda_graph" if device == "cuda" else "autograd")
    found = {}
    for name, words in SHOWN.items():
        step = training(routes[name], case.data(), device)
        before = _begin(device)
        for _ in range(STEPS):
            step()
        finished(device)
        found[words] = _peak(device) - before
    return found


def _begin(device: str) -> float:
    if device == "cpu":
        return resident.begin()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    return torch.cuda.memory_reserved() / MIB


def _peak(device: str) -> float:
    return resident.peak() if device == "cpu" else torch.cuda.max_memory_reserved() / MIB

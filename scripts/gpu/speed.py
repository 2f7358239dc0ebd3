"""Windows a second of training steps: the naive loop, cuDNN with a step loop, and the closed loop as a CUDA graph."""

from time import perf_counter
from typing import Any

import torch
from bench.routes import NAIVE, Case, Route
from lightning_utilities.core.apply_func import apply_to_collection

from .device import finished, on
from .loops import placed

SHOWN = {NAIVE: "naive loop", "plain": "cuDNN, step loop", "fastest": "CUDA graph"}
"""What is measured, in the table's words; on the CPU the last one is its steps without a graph."""
WARM_UPS = 3


def windows_a_second(
    *, device: str, batch: int, forcing: float, context: int, horizon: int, hidden: int, seconds: float
) -> dict[str, Any]:
    """Of each way in turn, float32: GRU, forward pass, loss, backward pass, Adam.

    Args:
        device: The device that is measured.
        batch: Windows in a batch. [windows]
        forcing: Probability that the truth is fed.
        context: Rows that are read. [steps]
        horizon: Rows that are forecast. [steps]
        hidden: Units.
        seconds: That each way is measured. [s]
    """
    case = Case(context=context, horizon=horizon, hidden=hidden, batch=batch, forcing=forcing)
    routes = placed(case, device, "cuda_graph" if device == "cuda" else "autograd")
    data = case.data()
    found: dict[str, Any] = {}
    for name, words in SHOWN.items():
        step = training(routes[name], data, device)
        found[words] = batch * _rate(step, device, seconds)
    return found


def training(route: Route, data: Any, device: str) -> Any:
    """A step of training, whose batch comes from the CPU as in use."""
    optimizer = torch.optim.Adam(route.network.parameters(), fused=True)
    given = apply_to_collection(data, torch.Tensor, torch.Tensor.pin_memory) if device == "cuda" else data

    def step() -> None:
        optimizer.zero_grad()
        route.loss(on(device, given)).backward()
        optimizer.step()

    return step


def _rate(step: Any, device: str, seconds: float) -> float:
    for _ in range(WARM_UPS):
        step()
    finished(device)
    calls, started = 0, perf_counter()
    while perf_counter() - started < seconds:
        step()
        calls += 1
        if calls % 10 == 0:
            # The CPU runs ahead of the device.
            finished(device)
    finished(device)
    return calls / (perf_counter() - started)

"""Implementations of recurrences side by side on the device: some steps of training by each, from equal weights."""

from typing import Any

import torch
from bench.routes import NAIVE, Case, Recast, Route, ran, routes_of

from recast.nn.recurrence.engine import Name

from .device import exact, on
from .difference import LIMITS, worst

STEPS = 4
FASTEST = {"cuda": "cuda_graph", "cpu": "autograd"}
"""What must run closed loops; on the CPU it stands for the graph, whose steps are the same."""


def placed(case: Case, device: str, implementation: Name) -> dict[str, Route]:
    """The naive loop and three of recast's implementations with equal weights on the device."""
    routes = {name: route for name, route in routes_of(case).items() if name in {NAIVE, "plain", "autograd"}}
    routes["fastest"] = Recast(case, implementation)
    routes["fastest"].network.load_state_dict(routes["plain"].network.state_dict())
    for route in routes.values():
        on(device, route.network)
    return routes


def agreement(*, device: str, cell: str, forcing: float, context: int, horizon: int) -> dict[str, Any]:
    """Largest difference from the naive loop after some steps, by implementation, and what ran the loops.

    Each step has another batch, the last one a smaller: a captured graph must read new values, and another one run
    another size. A second forward pass before the backward pass of the first must not overwrite what that one needs.

    Args:
        device: The device that is checked.
        cell: "rnn", "gru" or "lstm".
        forcing: Probability that the truth is fed.
        context: Rows that are read. [steps]
        horizon: Rows that are forecast. [steps]

    Raises:
        AssertionError: where they differ, or the fastest one was left aside.
    """
    exact()
    case = Case(context=context, horizon=horizon, hidden=32, batch=16, cell=cell, forcing=forcing)
    preferred: Name = "cuda_graph" if device == "cuda" else "autograd"
    routes = placed(case, device, preferred)
    batches = [case.data(torch.float64).take(torch.arange(size)) for size in (16, 16, 16, 9)]
    results, chosen = {}, {}
    for name, route in routes.items():
        route.network.double()
        route.generator.manual_seed(1)
        results[name], chosen[name] = _trained(route, [on(device, batch) for batch in batches])
    found: dict[str, Any] = {name: worst(values, results[NAIVE]) for name, values in results.items() if name != NAIVE}
    for name, difference in found.items():
        assert difference < LIMITS["float64"], f"{name} differs from the naive loop by {difference:.1e}"
    if forcing < 1:
        assert chosen["fastest"].get("closed") == FASTEST[device], f"closed loops ran by {chosen['fastest']}"
    return found | {"ran": chosen["fastest"]}


def _trained(route: Route, batches: list[Any]) -> tuple[list[torch.Tensor], dict[str, str]]:
    optimizer = torch.optim.SGD(route.network.parameters(), lr=0.01)
    losses: list[torch.Tensor] = []

    def steps() -> None:
        for batch in batches:
            optimizer.zero_grad()
            first, second = route.loss(batch), route.loss(batch)
            (first + second).backward()
            optimizer.step()
            losses.append(first.detach().cpu())

    chosen = ran(steps)
    with torch.no_grad():
        forecast = route.forecast(batches[0]).cpu()
    return [*losses, forecast, *(weight.detach().cpu() for weight in route.weights)], chosen

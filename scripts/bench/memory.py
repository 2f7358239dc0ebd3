"""c. Memory: how far the resident memory grows in a training step."""

from typing import Any

from . import resident
from .process import call
from .rounds import compared
from .sizes import Sizes
from .table import Sheet, short

ROUTES = ("naive", "plain", "numba")
STEPS = 3
SHORT = 16


def growth(*, route: str, context: int, horizon: int, hidden: int, batch: int) -> float:
    """Peak of the resident memory in some training steps beyond that before them, in MiB.

    Libraries, compiled code and weights are there before: a step with one short window comes first.
    """
    from recast.types import Batch

    from .routes import Case, routes_of

    case = Case(context=context, horizon=horizon, hidden=hidden, batch=batch)
    chosen = routes_of(case)[route]
    whole = case.data()
    first = Batch.of(whole.history[:1, -SHORT:], whole.target[:1], whole.past[:1, -SHORT:])
    chosen.training(first)(1)()
    step = chosen.training(whole)(1)
    before = resident.begin()
    for _ in range(STEPS):
        step()
    return resident.peak() - before


def measure(sizes: Sizes) -> dict[str, Any]:
    """Each batch by each route. "rows": MiB by route, and ratios to the naive loop."""
    rows = []
    for batch in sizes.memory_batches:
        case = {"context": sizes.context, "horizon": sizes.horizon, "hidden": sizes.hidden, "batch": batch}
        # As rates are compared, so are sizes: median and range over the rounds.
        found = {route: [] for route in ROUTES}
        for _ in range(sizes.memory_rounds):
            for route in ROUTES:
                found[route].append(call("bench.memory:growth", route=route, **case))
        rows.append({"case": case, "routes": compared(found, "naive")})
    return {"rows": rows}


def sheet(result: dict[str, Any]) -> Sheet:
    """MiB and ratios."""
    shown = Sheet(
        "Memory: peak of the resident set in training steps beyond that before them",
        *("network", *(f"{name}\nMiB" for name in ROUTES), *(f"{name}\nx naive" for name in ROUTES[1:])),
        note="Each in a process of its own, one thread; GRU, free running.",
    )
    for row in result["rows"]:
        case, routes = row["case"], row["routes"]
        shown.add(
            f"gru, {case['hidden']} units, batch {case['batch']}",
            *(short(routes[name]["value"]) for name in ROUTES),
            *(short(routes[name]["ratio"], 2) for name in ROUTES[1:]),
        )
    return shown

"""b. Inference: windows a second of free-running forecasts, without gradients."""

from typing import Any

from .rounds import compared, rates
from .routes import IMPLEMENTATIONS, NAIVE, Case, Recast, difference, ran, routes_of
from .sizes import Sizes
from .table import Sheet, short
from .training import network, ratios


def measure(sizes: Sizes) -> dict[str, Any]:
    """Each cell and batch by each route. "rows": a list of cases and threads; "difference": as in training."""
    differences, rows = [], []
    for cell in sizes.cells:
        for size in sizes.inference_batches:
            if cell != sizes.cells[0] and not sizes.thorough and size != sizes.inference_batches[1]:
                continue
            case = Case(context=sizes.context, horizon=sizes.horizon, hidden=sizes.hidden, batch=size, cell=cell)
            differences.append(difference(case))
            batch = case.data()
            routes = routes_of(case)
            steps = {name: route.inference(batch) for name, route in routes.items()}
            chosen = {name: ran(steps[name](1)) for name, route in routes.items() if isinstance(route, Recast)}
            found = rates(steps, threads=sizes.threads, rounds=sizes.rounds, seconds=sizes.seconds)
            rows += [
                {"case": vars(case), "threads": threads, "ran": chosen, "routes": compared(values, NAIVE, size)}
                for threads, values in found.items()
            ]
    return {"difference": max(differences), "rows": rows}


def sheet(result: dict[str, Any]) -> Sheet:
    """Windows a second, and ratios."""
    shown = Sheet(
        "Inference: free-running forecasts; windows a second, and ratios to the naive loop",
        *("network", "threads", "naive\nwindows/s", "numba\nwindows/s"),
        *(f"{name}\nx naive" for name in IMPLEMENTATIONS[::-1]),
        note="Medians and ranges over the rounds. *: partly by the plain implementation. "
        f"Forecasts agree in float64 to {result['difference']:.0e}.",
    )
    for row in result["rows"]:
        routes = row["routes"]
        rate = [short(routes[name]["value"]) for name in (NAIVE, "numba")]
        shown.add(network(row["case"]), str(row["threads"]), *rate, *ratios(row))
    return shown

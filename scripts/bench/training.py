"""a. Training: windows a second of a whole step."""

from typing import Any

from .rounds import compared, rates
from .routes import FUSED, IMPLEMENTATIONS, NAIVE, Case, Recast, difference, ran, routes_of
from .sizes import Sizes
from .table import Sheet, short

FORCING = {0.0: "never", 0.5: "half", 1.0: "always"}


def cases(sizes: Sizes) -> list[Case]:
    """What is measured."""

    def case(hidden: int = sizes.hidden, batch: int = sizes.batch, **options: Any) -> Case:
        return Case(context=sizes.context, horizon=sizes.horizon, hidden=hidden, batch=batch, **options)

    found = [case(cell=cell, forcing=forcing) for cell in sizes.cells for forcing in FORCING]
    found.append(case(layers=2, inputs=3))
    if sizes.thorough:
        found += [case(hidden=hidden) for hidden in (16, 32, 128)]
        found += [case(batch=batch) for batch in (8, 128)]
    return found


def measure(sizes: Sizes) -> dict[str, Any]:
    """Each case by each route. "rows": a list of cases and threads; "difference": of the routes, in float64."""
    differences, rows = [], []
    for case in cases(sizes):
        differences.append(difference(case))
        batch = case.data()
        routes = routes_of(case)
        steps = {name: route.training(batch) for name, route in routes.items()}
        chosen = {name: ran(steps[name](1)) for name, route in routes.items() if isinstance(route, Recast)}
        if set(chosen["numba"].values()) != {"numba"}:
            raise RuntimeError(f"{case}: the compiled implementation was left aside: {chosen['numba']}")
        found = rates(steps, threads=sizes.threads, rounds=sizes.rounds, seconds=sizes.seconds)
        for threads, values in found.items():
            row = {"case": vars(case), "threads": threads, "ran": chosen}
            row["routes"] = compared(values, NAIVE, case.batch)
            if FUSED in values:
                row["numba_to_fused"] = compared(values, FUSED)["numba"]["ratio"]
            rows.append(row)
    return {"difference": max(differences), "rows": rows}


def sheet(result: dict[str, Any]) -> Sheet:
    """Windows a second, and ratios."""
    shown = Sheet(
        "Training: forward, loss, backward, optimiser; windows a second, and ratios to the naive loop",
        *("network", "truth\nfed", "threads", "naive\nwindows/s", "numba\nwindows/s"),
        *(f"{name}\nx naive" for name in IMPLEMENTATIONS[::-1]),
        *("one call\nx naive", "numba\nx one call"),
        note="Medians and ranges over the rounds. *: partly by the plain implementation, the faster or the only way.\n"
        "One call: torch's fused one over the decoder's inputs, where the truth is always fed.\n"
        f"Losses, gradients and forecasts agree in float64 to {result['difference']:.0e}.",
        words=(0, 1),
    )
    for row in result["rows"]:
        routes = row["routes"]
        shown.add(
            network(row["case"]),
            FORCING[row["case"]["forcing"]],
            str(row["threads"]),
            *(short(routes[name]["value"]) for name in (NAIVE, "numba")),
            *ratios(row),
            short(routes.get(FUSED, {}).get("ratio"), 2),
            short(row.get("numba_to_fused"), 2),
        )
    return shown


def network(case: dict[str, Any]) -> str:
    """A case in words."""
    words = [case["cell"], f"{case['hidden']} units", f"batch {case['batch']}"]
    if case["layers"] > 1:
        words.append(f"{case['layers']} layers")
    if case["inputs"] > 1:
        words.append(f"{case['inputs']} inputs")
    return ", ".join(words)


def ratios(row: dict[str, Any]) -> list[str]:
    """Recast's implementations over the naive loop; marked where one has partly given way."""
    return [
        short(row["routes"][name]["ratio"], 2, "*" if set(row["ran"][name].values()) != {name} else "")
        for name in IMPLEMENTATIONS[::-1]
    ]

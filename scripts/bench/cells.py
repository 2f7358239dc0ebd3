"""j. Cells beyond torch's with a sequence pass of their own: windows a second over a context, by it and by steps."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from recast.nn.cells.cell import Cell
from recast.nn.cells.lru import LRU
from recast.nn.cells.peephole_lstm import PeepholeLSTM
from recast.nn.cells.slstm import SLSTM
from recast.nn.recurrence.engine import Engine
from recast.nn.recurrence.request import OpenLoop

from .rounds import compared, rates
from .sizes import Sizes
from .table import Sheet, short

CELLS: dict[str, Callable[..., Cell[Any]]] = {
    "peephole_lstm": PeepholeLSTM,
    "slstm": SLSTM,
    "lru": LRU,
}
STEPS, FAST = "steps", "fast"
TOLERANCE = 1e-9
"""Largest difference between the two, relative to the largest number, in float64."""

Pass = Callable[[Cell[Any], Tensor], Tensor]


def by_steps(cell: Cell[Any], inputs: Tensor) -> Tensor:
    """The outputs by the steps that define the cell."""
    return Cell.forward(cell, inputs)[0]


def by_engine(engine: Engine) -> Pass:
    """The outputs as models have them."""

    def run(cell: Cell[Any], inputs: Tensor) -> Tensor:
        request = OpenLoop(
            layers=[cell], inputs=inputs, states=[None], dropout=[], at=(inputs.shape[1],), outputs_from=0
        )
        return engine.sequence(request).outputs

    return run


def trained(cell: Cell[Any], run: Pass, inputs: Tensor) -> list[Tensor]:
    """Outputs, and the gradient of their squares with respect to each weight."""
    outputs = run(cell, inputs)
    return [outputs.detach(), *torch.autograd.grad(outputs.square().mean(), list(cell.parameters()))]


def difference(build: Callable[..., Cell[Any]]) -> float:
    """The largest difference between the two, relative to the largest number of each tensor, in float64, in small.

    Raises:
        RuntimeError: if it is no rounding.
    """
    torch.manual_seed(0)
    cell = build(input_size=2, hidden_size=9).double()
    inputs = torch.randn(5, 40, 2, dtype=torch.float64)
    pairs = zip(trained(cell, by_engine(Engine()), inputs), trained(cell, by_steps, inputs), strict=True)
    worst = max(float((one - other).abs().max() / other.abs().max()) for one, other in pairs)
    if not worst < TOLERANCE:
        raise RuntimeError(f"{type(cell).__name__}: its sequence pass differs from its steps by {worst}")
    return worst


def measure(sizes: Sizes) -> dict[str, Any]:
    """Each cell by its steps and as models run it, on one thread. "rows": cells and kinds of work; "difference"."""
    differences, rows = [], []
    inputs = torch.randn(sizes.batch, sizes.context, 1)
    for name, build in CELLS.items():
        differences.append(difference(build))
        cell = build(input_size=1, hidden_size=sizes.hidden)
        for work in ("training", "inference"):

            def ready(count: int, *, fast: bool, cell: Cell[Any] = cell, work: str = work) -> Callable[[], object]:
                engine = Engine(threads=count)
                torch.set_num_threads(engine.torch_threads if fast else count)
                run = by_engine(engine) if fast else by_steps

                def infer() -> Tensor:
                    with torch.no_grad():
                        return run(cell, inputs)

                return infer if work == "inference" else partial(trained, cell, run, inputs)

            found = rates(
                {STEPS: partial(ready, fast=False), FAST: partial(ready, fast=True)},
                threads=[1],
                rounds=sizes.rounds,
                seconds=sizes.seconds,
            )
            rows.append({"cell": name, "work": work, "routes": compared(found[1], STEPS, sizes.batch)})
    return {"difference": max(differences), "rows": rows}


def sheet(result: dict[str, Any]) -> Sheet:
    """Windows a second, and ratios."""
    shown = Sheet(
        "Other cells over the context: windows a second, and the ratio to their steps one by one",
        *("cell", "work", "steps\nwindows/s", "windows/s", "x steps"),
        note="Compiled loops, of the LRU a scan; one thread. Medians and ranges over the rounds. "
        f"Outputs and gradients agree in float64 to {result['difference']:.0e}.",
        words=(0, 1),
    )
    for row in result["rows"]:
        routes = row["routes"]
        rate = [short(routes[name]["value"]) for name in (STEPS, FAST)]
        shown.add(row["cell"], row["work"], *rate, short(routes[FAST]["ratio"], 2))
    return shown

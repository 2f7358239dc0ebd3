"""Traces of the states of recurrent layers while a model reads its context."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recast.nn.cells.cell import Cell


class Trace(NamedTuple):
    """One pass of one layer over the context.

    name: Path of the cell within the model. inputs: What it read. states: Its states, beginning with the initial one;
    time + 1 in all.
    """

    name: str
    cell: Cell[Any]
    inputs: Float[Tensor, "batch time input"]
    states: list[Any]


@contextmanager
def traced(model: nn.Module) -> Iterator[list[Trace]]:
    """Records the states of every cell that runs over a sequence from its initial state, as encoders do.

    A fast sequence pass exposes only its outputs, which branch off the path of the gradient: the gradient with respect
    to the output of step t omits the effects of step t on later steps. Within this context the layers therefore run
    through `Cell.step`, and everything later is computed from the recorded states. A cell that continues from given
    states, as in decoders, is not traced.

    The fields of a recorded state are independent coordinates: the derivative with respect to one holds the others of
    the same step fixed, whether or not the cell computes one from another.

    Args:
        model: The model whose cells are traced. Cells within a cell are part of it.

    Yields:
        The traces in the order of the passes; the first pass of each cell counts.
    """
    cells: dict[str, Cell[Any]] = {}
    for name, module in model.named_modules():
        if isinstance(module, Cell) and not any(name.startswith(f"{outer}.") for outer in cells):
            cells[name] = module
    traces: list[Trace] = []
    handles = [
        cell.register_forward_hook(partial(_by_steps, name, traces), with_kwargs=True) for name, cell in cells.items()
    ]
    try:
        yield traces
    finally:
        for handle in handles:
            handle.remove()


def _by_steps(name: str, traces: list[Trace], cell: Cell[Any], *call: Any) -> Any:
    """A torch forward hook: its result replaces that of the fast pass."""
    args, kwargs, output = call
    inputs, given = _arguments(*args, **kwargs)
    if given is not None or any(trace.name == name for trace in traces):
        return output
    start = cell.initial_state(len(inputs), inputs)
    # A leaf, so that there is a graph even if no weight requires a gradient.
    states = [cell.state_type(*(part.detach().requires_grad_() for part in start))]
    for x in inputs.unbind(1):
        after = cell.step(x, states[-1])
        # Views: later steps depend on each field only through its own view.
        states.append(cell.state_type(*(part.view_as(part) for part in after)))
    traces.append(Trace(name, cell, inputs, states))
    return torch.stack([state.hidden for state in states[1:]], dim=1), states[-1]


def _arguments(inputs: Tensor, state: Any = None) -> tuple[Tensor, Any]:
    """Those of `Cell.forward`."""
    return inputs, state

"""Saturation of gates."""

from typing import NamedTuple

import torch

from recast.training.memory.trace import Trace

LOW, HIGH = 0.1, 0.9


class Saturation(NamedTuple):
    """Shares of the values of a gate below .1 and above .9, and their mean."""

    low: float
    high: float
    mean: float


@torch.no_grad()
def gate_saturation(trace: Trace) -> dict[str, Saturation]:
    """Saturation of each gate of a layer over all units, steps and windows of a pass; none for a cell without gates.

    The meaning depends on the cell: a forget gate near 1 keeps the state, an input gate near 0 protects it. Near 0 and
    1 the gate itself learns slowly: the derivative of the sigmoid there is below .09, against .25 in the middle.

    Args:
        trace: A pass over the context.
    """
    before = [torch.stack(parts, dim=1).flatten(0, 1) for parts in zip(*trace.states[:-1], strict=True)]
    gates = trace.cell.gates(trace.inputs.flatten(0, 1), trace.cell.state_type(*before))
    return {
        name: Saturation(
            low=(values < LOW).double().mean().item(),
            high=(values > HIGH).double().mean().item(),
            mean=values.double().mean().item(),
        )
        for name, values in gates.items()
    }

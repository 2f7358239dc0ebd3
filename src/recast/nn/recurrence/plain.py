"""The reference implementation: layers of cells, run with torch's own operations."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from recast.nn.recurrence.implementation import Implementation
from recast.nn.recurrence.request import ClosedLoop, Layer, OpenLoop, Rollout, Unrolled


@final
class Plain(Implementation):
    """Runs any layers: an open loop layer by layer, one call each; a closed loop step by step."""

    name: ClassVar[str] = "plain"

    def refusal(self, request: OpenLoop | ClosedLoop) -> str | None:
        """None: it supports everything."""
        return None

    def describe(self, request: OpenLoop | ClosedLoop) -> str:
        """Its name, and whether a sequence is run by a scan."""
        scans = isinstance(request, OpenLoop) and all(layer.scans for layer in request.layers)
        return f"{self.name}, by a scan over all steps" if scans else self.name

    def sequence(self, request: OpenLoop) -> Unrolled:
        """Runs an open loop."""
        outputs = request.inputs
        found = []
        for number, (layer, state) in enumerate(zip(request.layers, request.states, strict=True)):
            if number and request.dropout:
                outputs = outputs * request.dropout[number - 1]
            outputs, states = _run(layer, outputs, state, request.at)
            found.append(states)
        return Unrolled(outputs[:, request.outputs_from :], found)

    def decode(self, request: ClosedLoop) -> Rollout:
        """Runs a closed loop."""
        embed = request.embed or _side_by_side
        fed = [*request.before, request.first]
        states = list(request.states)
        # unbind, not [:, lead]: the backward pass of an index allocates the whole tensor at each step.
        dropout = [factors.unbind(1) for factors in request.dropout]
        truths = () if request.truth is None else request.truth.unbind(1)
        steps = zip(request.known.unbind(1), request.base.unbind(1), strict=True)
        parameters, values = [], []
        for lead, (known, base) in enumerate(steps):
            output = embed(fed, known)
            for number, layer in enumerate(request.layers):
                if number and dropout:
                    output = output * dropout[number - 1][lead]
                states[number] = layer.step(output, states[number])
                output = states[number].hidden
            parameter, value = request.readout.read(output, base, fed)
            parameters.append(parameter)
            values.append(value)
            if request.detach:
                value = value.detach()
            if request.mask is not None and lead < request.mask.shape[1]:
                taught = request.mask[:, lead].reshape(-1, *(1,) * (value.dim() - 1))
                value = torch.where(taught, truths[lead], value)
            fed = [*fed[1:], value]
        return Rollout(torch.stack(parameters, dim=1), torch.stack(values, dim=1))


def _side_by_side(fed: Sequence[Tensor], known: Tensor) -> Tensor:
    return torch.cat([fed[-1], known], dim=-1)


def _run(layer: Layer, inputs: Tensor, state: Any, at: tuple[int, ...]) -> tuple[Tensor, Any]:
    """Outputs of one layer at all steps, and its states after each number of steps in `at`."""
    # Whole numbers in a trace too, where a size is a tensor.
    at = tuple(map(int, at))
    bounds = sorted({0, *at, int(inputs.shape[1])})
    outputs = []
    kept = []
    for first, stop in pairwise(bounds):
        output, state = layer(inputs[:, first:stop], state)
        outputs.append(output)
        if stop in at:
            kept.append(state)
    whole = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)
    return whole, state._make(torch.stack(fields, dim=1) for fields in zip(*kept, strict=True))

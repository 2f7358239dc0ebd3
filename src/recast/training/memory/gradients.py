"""How much of the loss's gradient reaches each step of the past."""

import torch
from jaxtyping import Float
from torch import Tensor

from recast.training.memory.trace import Trace

STATE = "state"
"""Name of the norm over all fields of the state together."""


def gradient_norms(traces: list[Trace], loss: Float[Tensor, ""]) -> list[dict[str, Float[Tensor, "batch time"]]]:
    """Norm of the gradient of `loss` with respect to the state after each step, window by window.

        |dL/ds_t|,   dL/ds_t = dL/ds_T  ds_T/ds_(T-1) ... ds_(t+1)/ds_t   for a model that reads only the last state

    (Hochreiter 1991, "Untersuchungen zu dynamischen neuronalen Netzen", section 4; Bengio, Simard & Frasconi 1994,
    "Learning long-term dependencies with gradient descent is difficult", section III; Pascanu, Mikolov & Bengio 2013,
    arXiv 1211.5063, section 2). These are total derivatives: they include paths through attention, upper layers and
    fed-back forecasts.

    Args:
        traces: Passes over the context; see `recast.training.memory.trace.traced`.
        loss: A scalar computed from them that does not mix windows: a sum over windows gives each window's own
            gradient.

    Returns:
        For each trace the 2-norms by field of the state, and those of the whole state, as "state".
    """
    wanted = [part for trace in traces for state in trace.states[1:] for part in state]
    # A field that nothing reads, such as the cell state after the last step, has none.
    found = torch.autograd.grad(loss, wanted, retain_graph=True, allow_unused=True)
    gradients = iter(
        torch.zeros_like(part) if gradient is None else gradient for part, gradient in zip(wanted, found, strict=True)
    )
    norms = []
    for trace in traces:
        names = trace.cell.state_type._fields
        steps = [[next(gradients) for _ in names] for _ in trace.states[1:]]
        fields = {name: torch.stack(parts, dim=1) for name, parts in zip(names, zip(*steps, strict=True), strict=True)}
        norms.append({name: _norm(parts) for name, parts in fields.items()})
        norms[-1][STATE] = _norm(torch.cat([*fields.values()], dim=2))
    return norms


def _norm(vectors: Float[Tensor, "batch time size"]) -> Float[Tensor, "batch time"]:
    """The 2-norm, scaled so that squares of values below 1e-154 do not underflow."""
    largest = vectors.abs().amax(dim=2, keepdim=True)
    scaled = vectors / torch.where(largest > 0, largest, 1.0)
    return largest.squeeze(2) * torch.linalg.vector_norm(scaled, dim=2)

"""What no fast implementation supports: other cells, other dtypes, layers with hooks."""

from collections.abc import Iterator
from itertools import chain

import torch
from torch import Tensor, nn

from recast.nn.recurrence.request import ClosedLoop, Layer, OpenLoop

PRECISIONS = (torch.float32, torch.float64)
"""Dtypes that the fast implementations support."""
TORCH_KINDS = frozenset({"rnn", "gru", "lstm"})
"""Cells that all of them know."""


def common_refusal(request: OpenLoop | ClosedLoop) -> str | None:
    """Why an implementation of torch's three cells does not support this request; None: it does.

    Args:
        request: An open or a closed loop.
    """
    kinds = {layer.kind for layer in request.layers}
    if not kinds <= TORCH_KINDS:
        return "a cell is neither tanh RNN nor GRU nor LSTM"
    return refusal_of_any_cell(request)


def refusal_of_any_cell(request: OpenLoop | ClosedLoop) -> str | None:
    """Why no fast implementation supports this request, whatever the cells.

    Args:
        request: An open or a closed loop.
    """
    kinds = {layer.kind for layer in request.layers}
    if len(kinds) > 1:
        return f"the layers are of different kinds ({', '.join(sorted(map(str, kinds)))})"
    if any(_is_watched(layer) for layer in request.layers):
        return "a layer has hooks, so that it must run by itself"
    if isinstance(request, ClosedLoop) and request.embed is not None:
        return "a step reads a function of the values fed back"
    if isinstance(request, ClosedLoop) and not request.readout.linear:
        return "what is fed back is not linear in the outputs"
    return _refusal_of_numbers(request)


def _refusal_of_numbers(request: OpenLoop | ClosedLoop) -> str | None:
    data = request.inputs if isinstance(request, OpenLoop) else request.first
    if torch.is_autocast_enabled(data.device.type):
        return "autocast is on"
    if data.dtype not in PRECISIONS:
        return f"numbers are {_name(data.dtype)}"
    others = {tensor.dtype for tensor in _tensors(request)} - {data.dtype}
    if others:
        return f"numbers are {', '.join(sorted(map(_name, others)))} beside {_name(data.dtype)}"
    return None


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _tensors(request: OpenLoop | ClosedLoop) -> Iterator[Tensor]:
    """All floating-point tensors of a request."""
    yield from chain.from_iterable(layer.weights for layer in request.layers)
    yield from chain.from_iterable(state for state in request.states if state is not None)
    yield from request.dropout
    if isinstance(request, OpenLoop):
        yield request.inputs
        return
    yield from (request.first, request.known, request.base, request.readout.weight, request.readout.bias)
    if request.truth is not None:
        yield request.truth


def _is_watched(layer: Layer) -> bool:
    """Whether the layer, or a module within it, has hooks, as the memory diagnostics register."""
    # torch has no public API for this.
    modules = layer.modules() if isinstance(layer, nn.Module) else ()
    return any(
        module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks  # noqa: SLF001
        for module in modules
    )

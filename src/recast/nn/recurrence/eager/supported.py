"""The supported cells: those with a hand-written backward pass."""

from collections.abc import Sequence

import torch

from recast.nn.recurrence.eager.gru import GRU
from recast.nn.recurrence.eager.lstm import LSTM
from recast.nn.recurrence.eager.rnn import RNN
from recast.nn.recurrence.eager.steps import CellSteps
from recast.nn.recurrence.request import ClosedLoop, Kind, Layer, OpenLoop

FEWEST_STEPS = 8
"""With fewer steps the overhead, about .3 ms, outweighs the gain of each step."""

MOST_UNITS = 128
"""With more units on a CPU, products dominate, and for 2 to 15 sequences MKL's are slower feature-major."""


def slower_than_torch(request: OpenLoop | ClosedLoop) -> str | None:
    """Why torch's own calls are faster here than steps in Python; None: they are not.

    Args:
        request: A loop over layers of one kind.
    """
    steps = (request.inputs if isinstance(request, OpenLoop) else request.known).shape[1]
    if steps < FEWEST_STEPS:
        return "there are few steps"
    on_cpu = request.layers[0].weights[0].device.type == "cpu"
    if on_cpu and max(layer.hidden_size for layer in request.layers) > MOST_UNITS:
        return "torch's own calls are as fast for so many units"
    return _slower_open_loop(request, on_cpu) if isinstance(request, OpenLoop) else None


def _slower_open_loop(request: OpenLoop, on_cpu: bool) -> str | None:
    if not on_cpu:
        return "torch's own call is faster on this device"
    if request.layers[0].kind == "lstm":
        return "torch's own call is faster for an open loop of this cell"
    if not torch.is_grad_enabled():
        return "torch's own call is faster where no gradient is wanted"
    return None


CELL_STEPS: dict[Kind, CellSteps] = {"rnn": RNN, "gru": GRU, "lstm": LSTM}


def common_kind(layers: Sequence[Layer]) -> Kind:
    """The kind of all layers.

    Raises:
        ValueError: if they have none, or different ones; see `recast.nn.recurrence.refusals.common_refusal`.
    """
    kind = layers[0].kind
    if kind is None or any(layer.kind != kind for layer in layers):
        raise ValueError("the layers do not share a supported kind")
    return kind

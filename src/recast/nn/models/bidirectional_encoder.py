"""Encodes the context of a batch in both directions."""

from collections.abc import Sequence
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recast.errors import ConfigurationError
from recast.nn.cells.cell import Cell, each_field
from recast.nn.models.bidirectional_layers import BidirectionalLayers
from recast.nn.models.stack import CellFactory
from recast.types import Batch


class BidirectionalEncoder(BidirectionalLayers):
    """Bidirectional layers over the context. No step after the origin is read.

    For each layer and each field of the state, a linear map combines the last states of both directions into the
    decoder's initial state. It is initialised to pass on the state of the forward direction, the only one that has just
    read the last step.

    Args:
        cell: Builds one layer in one direction from `input_size`.
        input_size: Inputs at each step.
        layers: Number of layers.
        dropout: Probability of dropping an output between layers.
        state_sizes: For each layer, the size of each field of the state that the decoder starts from.
    """

    def __init__(
        self,
        *,
        cell: CellFactory,
        input_size: int,
        layers: int,
        dropout: float,
        state_sizes: Sequence[tuple[int, ...]],
    ) -> None:
        super().__init__(cell=cell, input_size=input_size, layers=layers, dropout=dropout)
        self.bridges = nn.ModuleList()
        for one, wanted in zip(self.ahead, state_sizes, strict=True):
            ahead = cast("Cell[Any]", one)
            bridges = nn.ModuleList(_bridge(2 * own, size) for own, size in zip(ahead.state_sizes, wanted, strict=True))
            # The first field is the output; it gets no gradient from a decoder that does not read it.
            bridges[0].requires_grad_(ahead.reads_hidden)
            self.bridges.append(bridges)

    def forward(
        self, batch: Batch, inputs: Float[Tensor, "batch context inputs"], *, last: int | None = None
    ) -> tuple[Float[Tensor, "batch steps hidden"], list[Any]]:
        """Outputs of the top layer, forward direction first, and a state for each layer.

        Args:
            batch: Windows.
            inputs: What is read at each step of their context.
            last: How many of the last steps' outputs are needed; none: all.

        Raises:
            ConfigurationError: if the batch carries states over from the previous one.
        """
        if batch.carried is not None:
            raise ConfigurationError(
                "EncoderDecoder: bidirectional=True cannot carry states over from batch to batch, as the backward "
                "direction begins at the end of the context; use bidirectional=False or training without carried states"
            )
        outputs, ends = self.read(inputs)
        states = [self._join(layer, *pair) for layer, pair in enumerate(ends)]
        steps = outputs.shape[1]
        return outputs[:, 0 if last is None else max(steps - last, 0) :], states

    def _join(self, layer: int, ahead: Any, back: Any) -> Any:
        bridges = iter(cast("nn.ModuleList", self.bridges[layer]))
        return each_field(lambda *pair: next(bridges)(torch.cat(pair, dim=-1)), ahead, back)


def _bridge(input_size: int, output_size: int) -> nn.Linear:
    bridge = cast("nn.Linear", nn.utils.skip_init(nn.Linear, input_size, output_size))
    nn.init.eye_(bridge.weight)
    nn.init.zeros_(bridge.bias)
    return bridge

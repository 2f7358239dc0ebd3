"""Encodes the context of a batch in both directions."""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from recast.errors import ConfigurationError
from recast.nn.cells.cell import Cell, each_field
from recast.nn.models.stack import CellFactory, last_of, run
from recast.types import Batch


class BidirectionalEncoder(nn.Module):
    """Layers of two cells over the context, one running forward in time, one backward.

    This is the bidirectional network of Schuster & Paliwal 1997, "Bidirectional recurrent neural networks"; layers are
    stacked as in `torch.nn.GRU(bidirectional=True)`: both cells of a layer read the outputs of both cells below, with
    dropout between. No step after the origin is read.

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
        super().__init__()
        self.ahead = nn.ModuleList()
        self.back = nn.ModuleList()
        self.bridges = nn.ModuleList()
        self.hidden_size = input_size
        for layer in range(layers):
            ahead, back = (cell(input_size=self.hidden_size) for _ in range(2))
            self.ahead.append(ahead)
            self.back.append(back)
            sizes = zip(ahead.state_sizes, state_sizes[layer], strict=True)
            bridges = nn.ModuleList(_bridge(2 * own, wanted) for own, wanted in sizes)
            # The first field is the output; it gets no gradient from a decoder that does not read it.
            bridges[0].requires_grad_(ahead.reads_hidden)
            self.bridges.append(bridges)
            self.hidden_size = ahead.hidden_size + back.hidden_size
        self.dropout = dropout

    def output_weights(self) -> Iterator[nn.Parameter]:
        """Weights that affect only its outputs, see `Cell.output_weights`."""
        for cells in (self.ahead, self.back):
            yield from cast("Cell[Any]", cells[-1]).output_weights()

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
        outputs = inputs
        states = []
        for layer in range(len(self.ahead)):
            if layer:
                outputs = functional.dropout(outputs, self.dropout, self.training)
            outputs, ahead, back = self._layer(layer, outputs)
            states.append(self._join(layer, ahead, back))
        steps = outputs.shape[1]
        return outputs[:, 0 if last is None else max(steps - last, 0) :], states

    def _layer(self, layer: int, inputs: Tensor) -> tuple[Tensor, Any, Any]:
        """Outputs of one layer, and the last state of each direction."""
        ahead = run([cast("Cell[Any]", self.ahead[layer])], inputs)
        back = run([cast("Cell[Any]", self.back[layer])], inputs.flip(1))
        outputs = torch.cat([ahead.outputs, back.outputs.flip(1)], dim=-1)
        return outputs, *last_of(ahead.states), *last_of(back.states)

    def _join(self, layer: int, ahead: Any, back: Any) -> Any:
        bridges = iter(cast("nn.ModuleList", self.bridges[layer]))
        return each_field(lambda *pair: next(bridges)(torch.cat(pair, dim=-1)), ahead, back)


def _bridge(input_size: int, output_size: int) -> nn.Linear:
    bridge = cast("nn.Linear", nn.utils.skip_init(nn.Linear, input_size, output_size))
    nn.init.eye_(bridge.weight)
    nn.init.zeros_(bridge.bias)
    return bridge

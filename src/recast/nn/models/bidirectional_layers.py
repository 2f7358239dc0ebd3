"""Recurrent layers that read a sequence in both directions."""

from collections.abc import Iterator
from typing import Any, cast

from jaxtyping import Float
from torch import Tensor, cat, nn
from torch.nn import functional

from recast.nn.cells.cell import Cell
from recast.nn.models.stack import CellFactory, last_of, run


class BidirectionalLayers(nn.Module):
    """Layers of two cells, one running forward in time, one backward.

    This is the bidirectional network of Schuster & Paliwal 1997, "Bidirectional recurrent neural networks"; layers are
    stacked as in `torch.nn.GRU(bidirectional=True)`: both cells of a layer read the outputs of both cells below, with
    dropout between.

    Args:
        cell: Builds one layer in one direction from `input_size`.
        input_size: Inputs at each step.
        layers: Number of layers.
        dropout: Probability of dropping an output between layers.
    """

    def __init__(self, *, cell: CellFactory, input_size: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.ahead = nn.ModuleList()
        self.back = nn.ModuleList()
        self.hidden_size = input_size
        for _ in range(layers):
            ahead, back = (cell(input_size=self.hidden_size) for _ in range(2))
            self.ahead.append(ahead)
            self.back.append(back)
            self.hidden_size = ahead.hidden_size + back.hidden_size
        self.dropout = dropout

    def output_weights(self) -> Iterator[nn.Parameter]:
        """Weights that affect only its outputs, see `Cell.output_weights`."""
        for cells in (self.ahead, self.back):
            yield from cast("Cell[Any]", cells[-1]).output_weights()

    def read(
        self, inputs: Float[Tensor, "batch steps inputs"]
    ) -> tuple[Float[Tensor, "batch steps hidden"], list[tuple[Any, Any]]]:
        """Outputs of the top layer at each step, forward direction first, and the last states of each layer.

        The last state of the backward direction is that after the first step.
        """
        outputs, states = inputs, []
        for layer, cells in enumerate(zip(self.ahead, self.back, strict=True)):
            if layer:
                outputs = functional.dropout(outputs, self.dropout, self.training)
            forward, backward = (cast("Cell[Any]", cell) for cell in cells)
            ahead, back = run([forward], outputs), run([backward], outputs.flip(1))
            outputs = cat([ahead.outputs, back.outputs.flip(1)], dim=-1)
            states.append((*last_of(ahead.states), *last_of(back.states)))
        return outputs, states

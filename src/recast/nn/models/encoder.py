"""Encodes the context of a batch into recurrent states."""

from collections.abc import Iterator
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from recast.nn.cells.cell import each_field
from recast.nn.models.carried_states import CarriedStates
from recast.nn.models.stack import CellFactory, Stack, last_of
from recast.types import Batch


class Encoder(nn.Module):
    """Layers of cells over the context.

    In training it continues from the states of the previous batch where the batch says so; see `CarriedStates`.

    Args:
        cell: Builds one layer from `input_size`.
        input_size: Inputs at each step.
        layers: Number of layers.
        dropout: Probability of dropping an output between layers.
        top: Units of one more layer on top of these; none: no such layer.
    """

    def __init__(
        self, *, cell: CellFactory, input_size: int, layers: int, dropout: float, top: int | None = None
    ) -> None:
        super().__init__()
        self.stack = Stack(cell=cell, input_size=input_size, layers=layers, dropout=dropout, top=top)
        self.carry = CarriedStates()

    @property
    def hidden_size(self) -> int:
        """Number of outputs at each step."""
        return self.stack.hidden_size

    def output_weights(self) -> Iterator[nn.Parameter]:
        """Weights that affect only its outputs, see `Cell.output_weights`."""
        return self.stack.layers[-1].output_weights()

    def forward(
        self, batch: Batch, inputs: Float[Tensor, "batch context inputs"], *, last: int | None = None
    ) -> tuple[Float[Tensor, "batch steps hidden"], list[Any]]:
        """Outputs of the top layer, and the last state of each layer.

        Where windows have several forecast origins, the states are those at each of them, window by window.

        Args:
            batch: Windows.
            inputs: What is read at each step of their context.
            last: How many of the last steps' outputs are needed; none: all. The fewer, the faster.
        """
        steps = inputs.shape[1]
        first = 0 if last is None else max(steps - last, 0)
        carries = batch.carried is not None and self.training
        start = self.carry.start(batch, self._initial_states(inputs)) if carries else None
        origins = batch.origins or (steps,)
        outputs, states = self.stack.unroll(inputs, start, outputs_from=first, at=origins)
        if carries:
            self.carry.keep(batch, last_of(states))
        return outputs, [each_field(lambda field: field.flatten(0, 1), state) for state in states]

    def _initial_states(self, inputs: Float[Tensor, "batch context inputs"]) -> list[Any]:
        return [cell.initial_state(inputs.shape[0], inputs) for cell in self.stack.layers]

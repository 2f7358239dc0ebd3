"""Cells whose weights and fast sequence pass are those of a torch module."""

from typing import Any

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from recast.nn.cells.cell import Cell, State
from recast.nn.cells.initialise import RecurrentInit, initialise_recurrent


class TorchCell(Cell[State]):
    """A cell around one layer of `torch.nn.RNN`, `GRU` or `LSTM`, which runs over a sequence in one call.

    Args:
        rnn: The torch module that holds the weights; batch first.
        recurrent_init: How the recurrent weights start; see `recast.nn.cells.initialise.initialise_recurrent`.
        learn_initial_state: Whether the initial state is learnt, starting from zeros; otherwise it is zero.

    Attributes:
        rnn: The torch module.
    """

    def __init__(
        self, *, rnn: nn.RNNBase, recurrent_init: RecurrentInit = "uniform", learn_initial_state: bool = False
    ) -> None:
        super().__init__(
            input_size=rnn.input_size, hidden_size=rnn.hidden_size, learn_initial_state=learn_initial_state
        )
        self.rnn = rnn
        initialise_recurrent(self.weights[1], recurrent_init)

    @property
    def weights(self) -> list[Tensor]:
        """weight_ih, weight_hh, bias_ih, bias_hh, with the gates stacked in torch's order."""
        return list(self.rnn.all_weights[0])

    def forward(
        self, inputs: Float[Tensor, "batch time input"], state: State | None = None
    ) -> tuple[Float[Tensor, "batch time hidden"], State]:
        """Runs over a sequence in one torch call; see `Cell.forward`."""
        before = self.initial_state(inputs.shape[0], inputs) if state is None else state
        outputs, after = self.rnn(inputs, _to_torch(before))
        return outputs, self._from_torch(after)

    def forward_packed(self, inputs: PackedSequence, state: State | None = None) -> tuple[PackedSequence, State]:
        """Runs over sequences of different lengths, packed by torch; the state is that after the last step of each."""
        batch = int(inputs.batch_sizes[0])
        before = self.initial_state(batch, inputs.data) if state is None else state
        outputs, after = self.rnn(inputs, _to_torch(before))
        return outputs, self._from_torch(after)

    def _from_torch(self, state: Any) -> State:
        parts = state if isinstance(state, tuple) else (state,)
        return self.state_type(*(part.squeeze(0) for part in parts))


def _to_torch(state: Any) -> Any:
    parts = [part.unsqueeze(0).contiguous() for part in state]
    return tuple(parts) if len(parts) > 1 else parts[0]

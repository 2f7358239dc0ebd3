"""The supported cells: those with a backward pass by hand."""

from collections.abc import Sequence

from recast.nn.recurrence.eager.gru import GRU
from recast.nn.recurrence.eager.lstm import LSTM
from recast.nn.recurrence.eager.rnn import RNN
from recast.nn.recurrence.eager.steps import Arithmetic
from recast.nn.recurrence.request import Kind, Layer

ARITHMETIC: dict[Kind, Arithmetic] = {"rnn": RNN, "gru": GRU, "lstm": LSTM}


def common_kind(layers: Sequence[Layer]) -> Kind:
    """The kind of all layers.

    Raises:
        ValueError: if they have none, or several; see `recast.nn.recurrence.refusals.common_refusal`.
    """
    kind = layers[0].kind
    if kind is None or any(layer.kind != kind for layer in layers):
        raise ValueError("the layers are of no one kind with an arithmetic of its own")
    return kind

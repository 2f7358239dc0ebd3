"""No attention."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from recast.nn.attention.attention import Attention, Memory
from recast.options import PositiveInt, checked


class NoAttention(Attention):
    """The decoder's output as it is: all that it knows of the context has passed through the encoder's last state.

    Args:
        query_size: Size of the decoder's outputs; given by the model.
        memory_size: Size of the encoder's outputs; given by the model.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    looks_back: ClassVar[bool] = False

    @checked
    def __init__(self, *, query_size: PositiveInt, memory_size: PositiveInt) -> None:
        super().__init__(query_size=query_size, memory_size=memory_size)

    def weights(
        self, query: Float[Tensor, "batch queries query"], memory: Memory
    ) -> Float[Tensor, "batch queries context"]:
        """Zeros: it looks at no step."""
        return query.new_zeros(*query.shape[:2], memory.values.shape[1])

    def forward(
        self, query: Float[Tensor, "batch queries query"], memory: Memory
    ) -> Float[Tensor, "batch queries query"]:
        """The query."""
        return query

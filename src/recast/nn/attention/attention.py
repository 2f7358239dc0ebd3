"""What attention is: how a decoder looks back at the steps of the context."""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

from jaxtyping import Float
from torch import Tensor, nn


class Memory(NamedTuple):
    """What a query looks at: the encoder's outputs, and what queries are compared with, computed once a window."""

    values: Float[Tensor, "batch context memory"]
    keys: Float[Tensor, "batch context keys"]


class Attention(nn.Module, ABC):
    """Completes a decoder's output by what the context holds for it.

    A new attention inherits from this class and writes `weights` and `forward`; and `memorise`, where the encoder's
    outputs are to be transformed before any query is known.

    Args:
        query_size: Size of the decoder's outputs; given by the model.
        memory_size: Size of the encoder's outputs; given by the model.

    Attributes:
        looks_back: Whether it uses the memory at all.
    """

    looks_back: ClassVar[bool] = True

    def __init__(self, *, query_size: int, memory_size: int) -> None:
        super().__init__()
        self.query_size = query_size
        self.memory_size = memory_size

    def memorise(self, outputs: Float[Tensor, "batch context memory"]) -> Memory:
        """The memory that queries look at.

        Args:
            outputs: The encoder's output at each step of the context.
        """
        return Memory(outputs, outputs)

    @abstractmethod
    def weights(
        self, query: Float[Tensor, "batch queries query"], memory: Memory
    ) -> Float[Tensor, "batch queries context"]:
        """How much each query looks at each step of the context, from 0 to 1.

        Args:
            query: The decoder's outputs, any number of them for each window: its leads, or samples of one lead.
            memory: What `memorise` gave.
        """

    @abstractmethod
    def forward(
        self, query: Float[Tensor, "batch queries query"], memory: Memory
    ) -> Float[Tensor, "batch queries query"]:
        """What the forecast is read from in place of each query; see `weights`."""

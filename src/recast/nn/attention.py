"""Attention of a decoder over the encoder's outputs."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from recast.errors import ConfigurationError
from recast.options import PositiveInt, checked


class Memory(NamedTuple):
    """What queries attend to: the encoder's outputs (values) and their keys, computed once per window."""

    values: Float[Tensor, "batch context memory"]
    keys: Float[Tensor, "batch context keys"]


class Attention(nn.Module, ABC):
    """Combines a decoder's output with what it attends to in the context.

    A new attention subclasses this and implements `weights` and `forward`, and `memorise` where the encoder's outputs
    are transformed independently of the queries.

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
        """The memory that queries attend to.

        Args:
            outputs: The encoder's output at each step of the context.
        """
        return Memory(outputs, outputs)

    @abstractmethod
    def weights(
        self, query: Float[Tensor, "batch queries query"], memory: Memory
    ) -> Float[Tensor, "batch queries context"]:
        """The attention weight of each query on each step of the context, from 0 to 1.

        Args:
            query: The decoder's outputs, any number of them for each window: its leads, or samples of one lead.
            memory: The result of `memorise`.
        """

    @abstractmethod
    def forward(
        self, query: Float[Tensor, "batch queries query"], memory: Memory
    ) -> Float[Tensor, "batch queries query"]:
        """The vector that the forecast is read from in place of each query; see `weights`."""


class NoAttention(Attention):
    """The decoder's output unchanged: the context reaches it only through the encoder's last state.

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
        """Zeros: it attends to no step."""
        return query.new_zeros(*query.shape[:2], memory.values.shape[1])

    def forward(
        self, query: Float[Tensor, "batch queries query"], memory: Memory
    ) -> Float[Tensor, "batch queries query"]:
        """The query."""
        return query


Score = Literal["dot", "general", "concat"]


class Luong(Attention):
    """Global attention (Luong, Pham & Manning 2015, arXiv 1508.04025, section 3.1), without input feeding.

    For a decoder output h and the encoder's outputs m_s at the steps s of the context,

        a_s = softmax over s of score(h, m_s)      weights                 (equation 7)
        c = sum over s of a_s m_s                  context vector
        h~ = tanh(W_c [c; h])                      attentional vector      (equation 5)

    where the score (equation 8) is

        dot      h . m_s
        general  h . W_a m_s
        concat   v_a . tanh(W_a [h; m_s])

    The forecast is read from h~. The weights are initialised as those of `torch.nn.Linear`.

    Args:
        query_size: Size of the decoder's outputs; given by the model.
        memory_size: Size of the encoder's outputs; given by the model.
        score: How a decoder output is compared with an encoder output. "dot" needs both to have the same size; "concat"
            takes more memory and time than the others by a factor of the decoder's hidden size.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range, or "dot" does not fit the sizes.
    """

    @checked
    def __init__(self, *, query_size: PositiveInt, memory_size: PositiveInt, score: Score = "general") -> None:
        super().__init__(query_size=query_size, memory_size=memory_size)
        if score == "dot" and query_size != memory_size:
            raise ConfigurationError(
                f"Luong: score='dot' compares vectors of one size, but the decoder's outputs have {query_size} numbers "
                f"and the encoder's {memory_size} (a bidirectional encoder's have twice as many); use score='general'"
            )
        self.score: Score = score
        # W_a: one matrix in "general"; in "concat" the half for the memory and the half for the query.
        self.key = nn.Identity() if score == "dot" else nn.Linear(memory_size, query_size, bias=False)
        self.query = nn.Linear(query_size, query_size, bias=False) if score == "concat" else nn.Identity()
        self.direction = nn.Linear(query_size, 1, bias=False) if score == "concat" else nn.Identity()
        self.combine = nn.Linear(memory_size + query_size, query_size, bias=False)

    def memorise(self, outputs: Float[Tensor, "batch context memory"]) -> Memory:
        """The encoder's outputs, with their part of W_a applied to give the keys."""
        return Memory(outputs, self.key(outputs))

    def weights(
        self, query: Float[Tensor, "batch queries query"], memory: Memory
    ) -> Float[Tensor, "batch queries context"]:
        """The weights a_s of each query; they sum to 1."""
        if self.score == "concat":
            # Query by query: without gradients, only one tensor (batch, context, query_size) is alive at a time.
            projected = self.query(query).unbind(1)
            scores = [self.direction(torch.tanh(one.unsqueeze(1) + memory.keys)).squeeze(-1) for one in projected]
            return torch.stack(scores, dim=1).softmax(dim=-1)
        return (query @ memory.keys.transpose(1, 2)).softmax(dim=-1)

    def forward(
        self, query: Float[Tensor, "batch queries query"], memory: Memory
    ) -> Float[Tensor, "batch queries query"]:
        """The attentional vectors h~."""
        found = self.weights(query, memory) @ memory.values
        return torch.tanh(self.combine(torch.cat([found, query], dim=-1)))

"""A recurrent language model: the distribution of the next symbol after all symbols so far."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from recast.data.spec import TextSpec
from recast.errors import ConfigurationError
from recast.nn.heads.categorical import ONCE, UNCOUNTED, Sampler, cross_entropy, log_probabilities
from recast.nn.models.encoder import Encoder
from recast.nn.models.stack import CellFactory
from recast.options import Fraction, PositiveInt, checked
from recast.types import Batch


class LanguageModel(nn.Module):
    """Embedded symbols, recurrent layers, a linear readout to the softmax over the vocabulary.

        P(x_t | x_1 ... x_t-1) = softmax(W h_t + b)[x_t],    h_t = cells(E x_t-1, state)

    Mikolov et al. 2010, "Recurrent neural network based language model". Dropout is that of Zaremba et al. 2014 (arXiv
    1409.2329, section 3.1): between layers and before the readout, never along the recurrence.

    Args:
        spec: The vocabulary.
        cell: Builds one layer from `input_size`.
        layers: Number of layers.
        embedding: Size of the learnt vector of each symbol; none: one-hot, a 1 in the place of the symbol.
        tied: Whether the readout's weights are those of the embedding (Press & Wolf 2017, arXiv 1608.05859); where the
            cell has another size than the embedding, a linear map leads from the one to the other.
        dropout: Probability of dropping an output of a layer on its way up.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range, or one-hot inputs are to be tied.
    """

    @checked
    def __init__(
        self,
        *,
        spec: TextSpec,
        cell: CellFactory,
        layers: PositiveInt = 1,
        embedding: PositiveInt | None = 64,
        tied: bool = False,
        dropout: Fraction = 0.0,
    ) -> None:
        super().__init__()
        self.spec = spec
        levels = len(spec.vocabulary)
        if tied and embedding is None:
            raise ConfigurationError(
                "LanguageModel: tied=true, but one-hot inputs (embedding=null) have no weights to share; give "
                "model.embedding a size, or model.tied=false"
            )
        self.embedding = None if embedding is None else nn.Embedding(levels, embedding)
        self.encoder = Encoder(cell=cell, input_size=embedding or levels, layers=layers, dropout=dropout)
        hidden = self.encoder.hidden_size
        width = embedding if tied and embedding is not None else hidden
        self.projection = nn.Identity() if width == hidden else nn.Linear(hidden, width)
        self.readout = nn.Linear(width, levels)
        self.dropout = dropout
        if self.embedding is not None:
            # Torch's standard normal ones would be large beside states within 1, and as readout weights.
            nn.init.normal_(self.embedding.weight, std=self.embedding.embedding_dim**-0.5)
            if tied:
                self.readout.weight = self.embedding.weight

    def inputs(self, symbols: Int[Tensor, "batch time"]) -> Float[Tensor, "batch time inputs"]:
        """What the lowest layer reads of each symbol."""
        if self.embedding is not None:
            return self.embedding(symbols)
        return functional.one_hot(symbols, len(self.spec.vocabulary)).to(self.readout.weight.dtype)

    def logits(self, outputs: Float[Tensor, "*steps hidden"]) -> Float[Tensor, "*steps vocabulary"]:
        """The logits of the next symbol after each output of the top layer."""
        return self.readout(self.projection(functional.dropout(outputs, self.dropout, self.training)))

    def loss(self, batch: Batch, smoothing: float = 0.0) -> Float[Tensor, ""]:
        """The mean cross-entropy, in nats, over all symbols but the first of each row, given those before.

        Args:
            batch: Chunks of a text with a horizon of one symbol, whose states are carried where the batch says so; or
                whole lines, whose padding does not count.
            smoothing: See `recast.nn.heads.categorical.cross_entropy`.
        """
        symbols = symbols_of(batch)
        outputs, _ = self.encoder(batch, self.inputs(symbols[:, :-1]))
        truth = symbols[:, 1:]
        if batch.lengths is not None:
            truth = truth.where(counted(batch), UNCOUNTED)
        return cross_entropy(self.logits(outputs), truth, smoothing)

    def forward(self, batch: Batch) -> Float[Tensor, "batch steps"]:
        """The logarithm of P of symbols given all symbols of the row before them, in nats.

        They are those of the horizon of a window, or all but the first of a line, where those of the padding mean
        nothing.
        """
        symbols = symbols_of(batch)
        first = batch.context if batch.lengths is None else 1
        horizon = symbols.shape[1] - first
        outputs, _ = self.encoder(batch, self.inputs(symbols[:, :-1]), last=horizon)
        steps = max(ONCE // (len(self.spec.vocabulary) * max(len(symbols), 1)), 1)
        pairs = zip(outputs.split(steps, dim=1), symbols[:, first:].split(steps, dim=1), strict=True)
        return torch.cat([log_probabilities(self.logits(part), truth) for part, truth in pairs], dim=1)

    def read(
        self, symbols: Int[Tensor, "batch time"], states: Sequence[Any] | None = None
    ) -> tuple[Float[Tensor, "batch vocabulary"], list[Any]]:
        """The logits of the symbol after those read, and the state of each layer.

        Args:
            symbols: One or more.
            states: The states after what was read before; none: the initial ones.
        """
        inputs = self.inputs(symbols)
        if states is not None and symbols.shape[1] == 1:
            output, new = self.encoder.stack.step(inputs[:, 0], list(states))
            return self.logits(output), new
        outputs, new = self.encoder.stack(inputs, states, outputs_from=symbols.shape[1] - 1)
        return self.logits(outputs[:, -1]), new

    @torch.no_grad()
    def continuation(
        self, prompt: Int[Tensor, " prompt"], sampler: Sampler, generator: torch.Generator
    ) -> Iterator[int]:
        """Symbols drawn one after the other, without end.

        Args:
            prompt: What comes before them, one symbol at least.
            sampler: How they are drawn.
            generator: What draws, on the CPU.
        """
        logits, states = self.read(self.heard(prompt).unsqueeze(0))
        while True:
            symbol = sampler.draw(logits, generator)
            yield int(symbol)
            begins = self.spec.lines and int(symbol) == self.spec.line_break
            logits, states = self.read(symbol.to(prompt.device).unsqueeze(0), None if begins else states)

    def heard(self, prompt: Int[Tensor, " prompt"]) -> Int[Tensor, " heard"]:
        """What is read of a prompt: all of it; where each line is a text of its own, its last line.

        Args:
            prompt: One symbol at least.
        """
        if not self.spec.lines:
            return prompt
        line_break = self.spec.line_break
        breaks = (prompt == line_break).nonzero()
        return functional.pad(prompt, (1, 0), value=line_break) if len(breaks) == 0 else prompt[int(breaks[-1]) :]


def symbols_of(batch: Batch) -> Int[Tensor, "batch time"]:
    """The symbols of context and horizon.

    Raises:
        ValueError: if the batch is no text.
    """
    if batch.categories is None or batch.categories.target is None:
        raise ValueError("a batch without a categorical target")
    return batch.categories.target[..., 0]


def counted(batch: Batch) -> Bool[Tensor, "batch steps"]:
    """Which symbols but the first of each row are not padding.

    Raises:
        ValueError: if the batch has no lines.
    """
    if batch.lengths is None:
        raise ValueError("a batch without lengths")
    steps = torch.arange(1, symbols_of(batch).shape[1], device=batch.lengths.device)
    return steps < batch.lengths.unsqueeze(1)

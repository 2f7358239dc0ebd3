"""The LightningDataModule of texts: contiguous streams to train on, passages to score; or lines for both."""

import logging

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from recast.data.prepare.lines import LineLoader
from recast.data.prepare.order import EpochLoader
from recast.data.prepare.passages import PassageLoader
from recast.data.prepare.split import FractionSplit
from recast.data.prepare.streams import StreamLoader
from recast.data.prepare.text import PreparedText, prepare_other_text, prepare_text
from recast.data.sources.text import SymbolSource
from recast.data.spec import TextSpec
from recast.data.stored_data import StoredData
from recast.errors import ConfigurationError
from recast.options import PositiveInt, Seed, checked
from recast.types import Batch

log = logging.getLogger(__name__)


class TextDataModule(StoredData[PreparedText]):
    """A text, divided in its order into training, validation and test part.

    Training reads the training part in `batch_size` streams of consecutive chunks side by side, with states carried
    from chunk to chunk; every symbol but the first of an epoch's streams is predicted from all before it in the stream.
    See `recast.data.prepare.streams.StreamLoader`.

    Validation and test score every symbol of their part once, in passages, each from the initial state after `warmup`
    symbols of what stands before it. Scores depend on both lengths a little, on nothing else.

    With `lines` each line is a text of its own instead, such as a name, a molecule or a sentence: whole lines are read,
    each from the initial state and the line break before it, and every symbol of them is predicted, the line break that
    ends them included. Training takes them in random order, and gradients reach back to their beginning.

    Args:
        source: Where the text comes from.
        split: Shares of validation and test part; none: a tenth each.
        fewest: How often a symbol must occur in the training part to be in the vocabulary; all others are one, that of
            what is unknown.
        most: Symbols of the vocabulary at most, the most frequent ones; none: all. [symbols]
        lines: Whether each line is a text of its own; chunks and passages then mean nothing.
        chunk: Symbols of a stream in a training batch; gradients are truncated at its start. [symbols]
        warmup: Symbols that are read, not scored, before a passage. At the beginning of a text they are left out of the
            scores. [symbols]
        passage: Symbols of a passage. [symbols]
        batch_size: Streams, or lines, in a training batch of each process. [streams, or lines]
        evaluation_batch_size: Passages, or lines, in a validation or test batch. [passages, or lines]
        seed: Seed of the streams' phases, or of the order of the lines.
    """

    @checked
    def __init__(
        self,
        *,
        source: SymbolSource,
        split: FractionSplit | None = None,
        fewest: PositiveInt = 1,
        most: PositiveInt | None = None,
        lines: bool = False,
        chunk: PositiveInt = 64,
        warmup: PositiveInt = 256,
        passage: PositiveInt = 1024,
        batch_size: PositiveInt = 32,
        evaluation_batch_size: PositiveInt = 32,
        seed: Seed = 0,
    ) -> None:
        super().__init__(batch_size=batch_size, evaluation_batch_size=evaluation_batch_size, seed=seed)
        self.source = source
        self.split = split or FractionSplit(validation=0.1, test=0.1)
        self.fewest, self.most = fewest, most
        self.lines = lines
        self.chunk, self.warmup, self.passage = chunk, warmup, passage
        self._trained: TextSpec | None = None
        self._path: str | None = None

    def prepare(self) -> PreparedText:
        """The text in parts, in the vocabulary of its training part; see the base class."""
        if self._trained is None:
            return prepare_text(
                self.source.read(),
                symbol=self.source.symbol,
                lower=self.source.lower,
                split=self.split,
                fewest=self.fewest,
                most=self.most,
                lines=self.lines,
            )
        if self._path is None:
            return prepare_other_text(self.source.read(), self._trained, self.split)
        return prepare_other_text(self.source.read_file(self._path), self._trained, None)

    def adopt(self, spec: TextSpec, path: str | None = None) -> None:
        """Uses the vocabulary of a trained model, and rereads the text.

        Args:
            spec: The spec the model was trained with.
            path: Another text, all of which is the test part; none: that of the training.
        """
        self._trained, self._path = spec, path
        self.read_again()

    @property
    def spec(self) -> TextSpec:
        """What a model must know about the text."""
        return self.prepared.spec

    def items(self, part: str) -> Int[Tensor, " symbols"]:
        """The rows of a part that are scored."""
        first, stop = self.prepared.ranges[part]
        if self.lines:
            return torch.arange(first + 1, stop + 1)
        return torch.arange(max(first, self.warmup), max(stop, self.warmup))

    def loader(self, part: str) -> EpochLoader[Batch]:
        """Passages of a part, or its lines, in evaluation batches.

        Args:
            part: "train", "validation" or "test".
        """
        if self.lines:
            return self._line_loader(part, shuffle=False)
        return PassageLoader(
            storage=self._storage,
            rows=self.prepared.ranges[part],
            context=self.warmup,
            horizon=self.passage,
            batch_size=self.evaluation_batch_size,
            rank=self._rank,
            world=self._world,
        )

    def val_dataloader(self) -> EpochLoader[Batch] | list[EpochLoader[Batch]]:
        """Validation passages; none if the split has no validation part."""
        return self.loader("validation") if len(self.items("validation")) else []

    def _line_loader(self, part: str, *, shuffle: bool) -> EpochLoader[Batch]:
        """The lines of a part, in evaluation batches; shuffled ones in random order, in training batches."""
        first, stop = np.searchsorted(self.prepared.panel.starts, self.prepared.ranges[part])
        lines = torch.arange(int(first), int(stop))
        return LineLoader(storage=self._storage, order=self.ordered(lines, shuffle=shuffle))

    def train_dataloader(self) -> EpochLoader[Batch]:
        """The chunks of the streams, or the lines in random order.

        Raises:
            ConfigurationError: if the training part is too short for them.
        """
        if self.lines:
            return self._line_loader("train", shuffle=True)
        first, stop = self.prepared.ranges["train"]
        streams = self.batch_size * self._world
        if (stop - first - 1) // self.chunk < 3 * streams:
            raise ConfigurationError(
                f"{self.prepared.panel.label}: the training part has {stop - first} symbols, expected 3 chunks of "
                f"{self.chunk} for each of {streams} streams at least, so that states are carried; give a longer text, "
                "a smaller data.chunk or data.batch_size"
            )
        return StreamLoader(
            storage=self._storage,
            ranges=[(first, stop)],
            horizon=1,
            chunk=self.chunk,
            streams=self.batch_size,
            seed=self.seed,
            rank=self._rank,
            world=self._world,
        )

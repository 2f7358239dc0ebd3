"""Prepares a text for training: split, vocabulary, storage."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from recast.data.panel import Column, Panel
from recast.data.prepare.lines import in_lines, line_starts
from recast.data.prepare.split import FractionSplit, Parts
from recast.data.prepare.storage import Storage, stored
from recast.data.sources.fingerprint import fingerprint
from recast.data.sources.text import Symbol, Text
from recast.data.spec import LINE_BREAK, UNKNOWN, TextSpec
from recast.errors import DataError

log = logging.getLogger(__name__)

WHOLE = np.zeros(1, dtype=np.int64)
"""Where the pieces of a text begin that is one."""


@dataclass(frozen=True, eq=False)
class PreparedText:
    """A text ready for training.

    Args:
        panel: Its symbols as levels of the vocabulary, one item without a clock, of one piece; or of one for each line,
            see `recast.data.prepare.lines`.
        spec: What a model must know about it.
        storage: Its rows.
        ranges: Row range [first, stop) of each part; in a text of lines it is one of whole pieces.
        fingerprint: SHA-256 of what was read.
    """

    panel: Panel
    spec: TextSpec
    storage: Storage
    ranges: dict[str, tuple[int, int]]
    fingerprint: str

    @property
    def codes(self) -> np.ndarray:
        """The level of each symbol, int64, shape (symbols,)."""
        return self.panel.values[:, 0].astype(np.int64)

    def text(self, part: str) -> str:
        """A part as text; what is unknown stands as `UNKNOWN`."""
        first, stop = self.ranges[part]
        vocabulary = self.spec.vocabulary
        return "".join(vocabulary[code] for code in self.codes[first:stop])


def vocabulary_of(symbols: Sequence[str], fewest: int, most: int | None) -> tuple[str, ...]:
    """`UNKNOWN`, then the symbols that occur often enough, in the order of their code points.

    Args:
        symbols: The text they are taken from.
        fewest: How often a symbol occurs at least.
        most: How many there are at most: the most frequent ones, on ties those first in that order; None: all.
    """
    counts = Counter(symbols)
    often = sorted(symbol for symbol, count in counts.items() if count >= fewest and symbol != UNKNOWN)
    if most is not None and len(often) > most:
        often = sorted(sorted(often, key=lambda symbol: -counts[symbol])[:most])
    return (UNKNOWN, *often)


def encode(symbols: Sequence[str], vocabulary: Sequence[str]) -> np.ndarray:
    """The level of each symbol, int64; that of `UNKNOWN` for one that is not in the vocabulary."""
    numbers = {symbol: number for number, symbol in enumerate(vocabulary)}
    unknown = numbers[UNKNOWN]
    return np.fromiter((numbers.get(symbol, unknown) for symbol in symbols), np.int64, len(symbols))


def prepare_text(
    text: Text,
    *,
    symbol: Symbol,
    lower: bool,
    split: FractionSplit,
    fewest: int,
    most: int | None,
    lines: bool = False,
) -> PreparedText:
    """Divides a text into parts, in its order, and takes the vocabulary from the training part.

    Args:
        text: The text.
        symbol: What a symbol is.
        lower: Whether capital letters were made small ones.
        split: Shares of the parts.
        fewest: How often a symbol of the vocabulary occurs in the training part at least.
        most: Symbols of the vocabulary at most; None: all.
        lines: Whether each line is a text of its own; parts then begin with the first line that begins in them.

    Raises:
        DataError: if the training part has fewer than two different symbols, or no line break where it is in lines.
    """
    text = in_lines(text) if lines else text
    ranges = _ranges(text, symbol, split, lines=lines)
    first, stop = ranges["train"]
    vocabulary = vocabulary_of(text.symbols[first:stop], fewest, most)
    if len(vocabulary) < 3:
        raise DataError(
            f"{text.label}: the training part of {stop - first} {symbol}s has {len(vocabulary) - 1} different ones for "
            "the vocabulary, expected two or more; give a longer text, or a smaller data.fewest"
        )
    if lines and LINE_BREAK not in vocabulary:
        raise DataError(
            f"{text.label}: line breaks are not in the vocabulary of the training part, so that no line would end; "
            "give a smaller data.fewest, a larger data.most, or data.lines=false"
        )
    return _prepared(text, _spec(vocabulary, symbol, lower=lower, lines=lines), ranges)


def prepare_other_text(text: Text, spec: TextSpec, split: FractionSplit | None) -> PreparedText:
    """A text in the vocabulary of a trained model.

    Args:
        text: The text.
        spec: The spec the model was trained with.
        split: Shares of the parts; None: all of it is the test part.
    """
    text = in_lines(text) if spec.lines else text
    return _prepared(text, spec, _ranges(text, spec.symbol, split, lines=spec.lines))


def _ranges(text: Text, symbol: str, split: FractionSplit | None, *, lines: bool) -> dict[str, tuple[int, int]]:
    if split is None:
        ranges = {"train": (0, 0), "validation": (0, 0), "test": (0, len(text.symbols))}
    else:
        parts: Parts = split.parts(_panel(text, np.zeros(len(text.symbols), dtype=np.int64), (UNKNOWN,), symbol))
        ranges = {name: (int(part[0, 0]), int(part[-1, 1])) for name, part in parts._asdict().items()}
    if not lines:
        return ranges
    starts = line_starts(text)
    # The last break is the end of the last line.
    places = {name: np.searchsorted(starts[:-1], bounds) for name, bounds in ranges.items()}
    return {name: (int(starts[first]), int(starts[stop])) for name, (first, stop) in places.items()}


def _spec(vocabulary: tuple[str, ...], symbol: Symbol, *, lower: bool, lines: bool) -> TextSpec:
    column = Column(symbol, role="target", levels=vocabulary)
    return TextSpec(columns=(column,), offset=(0.0,), scale=(1.0,), lower=lower, lines=lines)


def _prepared(text: Text, spec: TextSpec, ranges: dict[str, tuple[int, int]]) -> PreparedText:
    vocabulary, symbol = spec.vocabulary, spec.symbol
    starts = line_starts(text) if spec.lines else WHOLE
    panel = _panel(text, encode(text.symbols, vocabulary), vocabulary, symbol, starts)
    # Of the text itself: two texts may differ in what is unknown alone.
    levels = tuple(sorted(set(text.symbols)))
    read = _panel(text, encode(text.symbols, (UNKNOWN, *levels)), (UNKNOWN, *levels), symbol)
    prepared = PreparedText(panel, spec, stored(panel, spec), ranges, fingerprint(read))
    for part, (first, stop) in ranges.items():
        unknown = int((prepared.codes[first:stop] == 0).sum())
        if unknown:
            share = unknown / (stop - first)
            log.info("%s part: %d of %d %ss are unknown (%.2g %%)", part, unknown, stop - first, symbol, 100 * share)
    return prepared


def _panel(text: Text, codes: np.ndarray, levels: tuple[str, ...], symbol: str, starts: np.ndarray = WHOLE) -> Panel:
    return Panel(
        columns=(Column(symbol, role="target", levels=levels),),
        values=codes[:, None].astype(np.float64),
        starts=starts,
        label=text.label,
    )

"""Baselines of language models: counts of symbol sequences, and what a compressor makes of a text."""

import gzip
import math
from abc import abstractmethod
from itertools import pairwise
from typing import NamedTuple, final

import numpy as np
from jaxtyping import Float, Int

from recast.data.panel import Panel
from recast.errors import DataError
from recast.options import PositiveFloat, PositiveInt, checked
from recast.scoring.baselines.baseline import AnyBaseline

Codes = Int[np.ndarray, " symbols"]
FALLBACK = np.array([0.0, 0.5, 1.0, 1.5])
"""Discounts where a text is too small or too regular to estimate them."""


class TextBaseline(AnyBaseline[Panel]):
    """A language model without a network: fitted on the training part of a text."""

    @abstractmethod
    def fit(self, text: Panel) -> None:
        """Fits on the training part; must be called before `nats`. A second call refits from scratch."""

    @abstractmethod
    def nats(self, text: Panel, first: int, stop: int) -> float:
        """The sum of -log P of the symbols `first` to `stop` given all before them, in nats.

        Args:
            text: A whole text in the vocabulary of the training part.
            first: The first symbol that counts.
            stop: The one after the last that counts.
        """


def codes_of(text: Panel) -> Codes:
    """The level of each symbol."""
    return text.values[:, 0].astype(np.int64)


def levels_of(text: Panel) -> tuple[str, ...]:
    """The vocabulary."""
    return text.columns[0].levels or ()


@final
class AdditiveNGram(TextBaseline):
    """Counts of the last symbols with additive smoothing (Laplace's, for 1).

        P(x | h) = (c(h x) + added) / (c(h) + added V),    h: the order - 1 symbols before

    with V the size of the vocabulary: a unigram for order 1, a bigram for order 2.

    Args:
        order: Symbols of a counted sequence, the predicted one included. [symbols]
        added: What each count begins with.
    """

    @checked
    def __init__(self, *, order: PositiveInt, added: PositiveFloat = 1.0) -> None:
        self.order = order
        self.added = added

    def fit(self, text: Panel) -> None:
        """See the base class."""
        codes, self._levels = codes_of(text), len(levels_of(text))
        self._tables = _tables(codes, self._levels, self.order)

    def nats(self, text: Panel, first: int, stop: int) -> float:
        """See the base class."""
        top = self._tables[-1]
        context, gram = _places(codes_of(text), self._tables, self._levels)
        counts, totals = _looked_up(top.counts, gram), _looked_up(top.totals, context)
        chance = (counts + self.added) / (totals + self.added * self._levels)
        return float(-np.log(chance[first:stop]).sum())


@final
class KneserNey(TextBaseline):
    """An n-gram with interpolated, modified Kneser-Ney smoothing (Chen & Goodman 1999, section 4.1.6).

        P(x | h) = (c(h x) - D(c)) / c(h) + gamma(h) P(x | h'),    h' : h without its oldest symbol

    where c counts, below the highest order, the different symbols that stand before h x, D is one of three discounts of
    each order for counts of 1, 2 and more, estimated from the numbers of sequences that occur one to four times, and
    gamma(h) is what was discounted. Below the unigram lies the uniform distribution over the vocabulary. After a
    context that was never seen, the shorter one decides.

    Args:
        order: Symbols of the longest counted sequence, the predicted one included. [symbols]
    """

    @checked
    def __init__(self, *, order: PositiveInt = 6) -> None:
        self.order = order

    def fit(self, text: Panel) -> None:
        """See the base class.

        Raises:
            DataError: if there are fewer symbols than the order.
        """
        codes, self._levels = codes_of(text), len(levels_of(text))
        if len(codes) < self.order:
            raise DataError(
                f"KneserNey: the training part has {len(codes)} symbols, fewer than order={self.order}; give a smaller "
                "order"
            )
        tables = _tables(codes, self._levels, self.order)
        self._tables = [
            *(lower.counting(_predecessors(lower, higher)) for lower, higher in pairwise(tables)),
            tables[-1],
        ]
        self._discounts = [_discounts(table.counts) for table in self._tables]
        self._backoffs = [
            np.bincount(table.contexts, weights=_discounted(table.counts, discounts), minlength=len(table.totals))
            for table, discounts in zip(self._tables, self._discounts, strict=True)
        ]

    def probabilities(self, text: Panel) -> Float[np.ndarray, " symbols"]:
        """P of each symbol of a text given those before it."""
        codes = codes_of(text)
        chance = np.full(len(codes), 1 / self._levels)
        for order in range(1, self.order + 1):
            table, discounts = self._tables[order - 1], self._discounts[order - 1]
            context, gram = _places(codes, self._tables[:order], self._levels)
            counts, totals = _looked_up(table.counts, gram), _looked_up(table.totals, context)
            kept = counts - _discounted(counts, discounts)
            freed = _looked_up(self._backoffs[order - 1], context)
            seen = totals > 0
            chance[seen] = (kept[seen] + freed[seen] * chance[seen]) / totals[seen]
        return chance

    def nats(self, text: Panel, first: int, stop: int) -> float:
        """See the base class."""
        return float(-np.log(self.probabilities(text)[first:stop]).sum())


@final
class Gzip(TextBaseline):
    """The size of the part as gzip compresses it, by itself: a picture of how low a number of bits is, no prediction.

    Args:
        level: gzip's level of compression, from 1 to 9.
    """

    @checked
    def __init__(self, *, level: PositiveInt = 9) -> None:
        self.level = min(level, 9)

    def fit(self, text: Panel) -> None:
        """Nothing: gzip knows no training part."""

    def nats(self, text: Panel, first: int, stop: int) -> float:
        """The bytes times 8 log 2."""
        levels = levels_of(text)
        part = "".join(levels[code] for code in codes_of(text)[first:stop].tolist())
        return 8 * math.log(2.0) * len(gzip.compress(part.encode(), self.level, mtime=0))


class Table(NamedTuple):
    """The different sequences of one length in a text.

    keys: context * V + symbol of each, ascending, where context is the place of the sequence without its last symbol in
    the table of the length below; counts: how often each counts; contexts: the context of each; totals: the sum of the
    counts after each context; suffixes: the place of the sequence without its first symbol in the table below.
    """

    keys: np.ndarray
    counts: np.ndarray
    contexts: np.ndarray
    totals: np.ndarray
    suffixes: np.ndarray

    def counting(self, counts: np.ndarray) -> "Table":
        """The same sequences with other counts."""
        totals = np.bincount(self.contexts, weights=counts, minlength=len(self.totals))
        return self._replace(counts=counts, totals=totals)


def _tables(codes: Codes, levels: int, order: int) -> list[Table]:
    """The tables of lengths 1 to `order`."""
    places = np.zeros(len(codes) + 1, dtype=np.int64)  # of the sequence before each symbol: at first, the empty one
    suffixes, below, tables = np.zeros(len(codes), dtype=np.int64), 1, []
    for length in range(1, order + 1):
        first = length - 1
        keys, where, inverse, counts = np.unique(
            places[first:-1] * levels + codes[first:], return_index=True, return_inverse=True, return_counts=True
        )
        contexts = keys // levels
        totals = np.bincount(contexts, weights=counts, minlength=below)
        tables.append(Table(keys, counts.astype(float), contexts, totals, suffixes[where]))
        # The sequence that ends at each symbol is the context of the next one, and the suffix of a longer one there.
        places = np.concatenate([np.zeros(first + 1, dtype=np.int64), inverse])
        suffixes, below = inverse[1:], len(keys)
    return tables


def _places(codes: Codes, tables: list[Table], levels: int) -> tuple[np.ndarray, np.ndarray]:
    """The place of the context before each symbol and of the sequence with it, of the longest length; -1 if unseen."""
    context = gram = np.zeros(len(codes), dtype=np.int64)
    for length, table in enumerate(tables):
        if length:
            context = np.concatenate([[-1], gram[:-1]])
        key = context * levels + codes
        found = np.minimum(np.searchsorted(table.keys, key), len(table.keys) - 1)
        gram = np.where((context >= 0) & (table.keys[found] == key), found, -1)
    return context, gram


def _looked_up(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Values at places; 0 at -1."""
    return np.where(places >= 0, values[np.maximum(places, 0)], 0.0)


def _predecessors(table: Table, longer: Table) -> np.ndarray:
    """How many different symbols stand before each sequence."""
    return np.bincount(longer.suffixes, minlength=len(table.keys)).astype(float)


def _discounts(counts: np.ndarray) -> Float[np.ndarray, "4"]:
    """The discount of counts of 0, 1, 2, and 3 or more (Chen & Goodman 1999, equation 26)."""
    one, two, three, four = (float((counts == number).sum()) for number in range(1, 5))
    if not (one and two and three):
        return FALLBACK
    share = one / (one + 2 * two)
    found = np.array([0.0, 1 - 2 * share * two / one, 2 - 3 * share * three / two, 3 - 4 * share * four / three])
    # A regular text may ask for more than a count has, or for less than nothing, by which P would be negative.
    return found if ((found[1:] > 0) & (found[1:] <= [1, 2, 3])).all() else FALLBACK


def _discounted(counts: np.ndarray, discounts: np.ndarray) -> np.ndarray:
    """What is taken off each count."""
    return np.minimum(discounts[np.minimum(counts, 3).astype(np.int64)], counts)

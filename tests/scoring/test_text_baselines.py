"""Baselines and metrics of texts: by hand, by plain loops over dictionaries, by torchmetrics."""

import gzip
import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from texts import RHYME, text_panel, text_spec
from torchmetrics.text import Perplexity as TheirPerplexity

from recast.errors import DataError
from recast.scoring.baselines.text_baselines import AdditiveNGram, Gzip, KneserNey
from recast.scoring.metrics.bits_per_character import BitsPerCharacter
from recast.scoring.metrics.nats import Nats
from recast.scoring.metrics.perplexity import Perplexity

LEVELS = ("<unknown>", *sorted(set(RHYME)))
CODES = [LEVELS.index(symbol) for symbol in RHYME]


def test_additive_counts_by_hand():
    levels = ("<unknown>", "a", "b")
    unigram, bigram = AdditiveNGram(order=1), AdditiveNGram(order=2, added=0.5)
    for model in (unigram, bigram):
        model.fit(text_panel([1, 2, 1, 2, 1], levels))  # ababa
    text = text_panel([1, 1, 2, 0, 1], levels)
    assert unigram.nats(text, 1, 4) == pytest.approx(-math.log(4 / 8) - math.log(3 / 8) - math.log(1 / 8))
    # After a: b twice, a never; after b: a twice; nothing is known after what is unknown.
    expected = [0.5 / 3.5, 2.5 / 3.5, 0.5 / 3.5, 1 / 3]
    assert bigram.nats(text, 1, 5) == pytest.approx(-sum(map(math.log, expected)))


def test_kneser_ney_of_a_bigram_by_hand():
    """Worked out from the formula: too few counts for estimated discounts, so 1/2, 1 and 3/2."""
    levels = ("<unknown>", "a", "b", "c")
    model = KneserNey(order=2)
    model.fit(text_panel([1, 2, 1, 2, 1, 3], levels))  # ababac: ab 2, ba 2, ac 1
    # Continuation counts, of the symbols that stand before: a 1 (b), b 1 (a), c 1 (a).
    unigram = dict.fromkeys((1, 2, 3), (0.5 + 1.5 / 4) / 3) | {0: 1.5 / 4 / 3}
    after_a = {2: (2 - 1 + 1.5 * unigram[2]) / 3, 3: (1 - 0.5 + 1.5 * unigram[3]) / 3}
    after_a |= {1: 1.5 * unigram[1] / 3, 0: 1.5 * unigram[0] / 3}
    assert sum(after_a.values()) == pytest.approx(1)
    for symbol, chance in after_a.items():
        assert model.probabilities(text_panel([1, symbol], levels))[1] == pytest.approx(chance)
    # After c nothing was ever seen: the unigram decides.
    assert model.probabilities(text_panel([3, 1], levels))[1] == pytest.approx(unigram[1])


def plain_kneser_ney(training: list[int], levels: int, order: int, history: tuple[int, ...], symbol: int) -> float:
    """The same by recursion over dictionaries of tuples."""
    raw = [
        Counter(tuple(training[place : place + length]) for place in range(len(training) - length + 1))
        for length in range(1, order + 1)
    ]
    counts = [Counter(gram[1:] for gram in longer) for _, longer in pairwise(raw)] + [raw[-1]]

    def discount(of: Counter, count: int) -> float:
        one, two, three, four = (sum(value == n for value in of.values()) for n in range(1, 5))
        fallback = [0, 0.5, 1, 1.5]
        if not (one and two and three):
            return min(fallback[min(count, 3)], count)
        share = one / (one + 2 * two)
        found = [0, 1 - 2 * share * two / one, 2 - 3 * share * three / two, 3 - 4 * share * four / three]
        fits = all(0 < found[n] <= n for n in (1, 2, 3))
        return min((found if fits else fallback)[min(count, 3)], count)

    def chance(length: int, before: tuple[int, ...]) -> float:
        if length == 0:
            return 1 / levels
        before = before[len(before) - length + 1 :] if len(before) >= length - 1 else ()
        of = counts[length - 1]
        after = {gram[-1]: count for gram, count in of.items() if gram[:-1] == before} if length > 1 else None
        if length == 1:
            after = {gram[0]: count for gram, count in of.items()}
        total = sum(after.values())
        if len(before) < length - 1 or not total:
            return chance(length - 1, before)
        freed = sum(discount(of, count) for count in after.values())
        count = after.get(symbol, 0)
        return (count - discount(of, count) + freed * chance(length - 1, before)) / total

    return chance(order, history)


@settings(max_examples=25, deadline=None)
@given(
    training=st.lists(st.integers(1, 3), min_size=4, max_size=40),
    text=st.lists(st.integers(0, 3), min_size=1, max_size=8),
    order=st.integers(1, 4),
)
def test_kneser_ney_is_that_of_plain_loops_and_adds_up_to_one(training, text, order):
    levels = ("<unknown>", "a", "b", "c")
    model = KneserNey(order=order)
    model.fit(text_panel(training, levels))
    found = model.probabilities(text_panel(text, levels))
    for place, symbol in enumerate(text):
        # Shorter contexts at the beginning of a text count as unseen.
        expected = plain_kneser_ney(training, 4, min(order, place + 1), tuple(text[:place]), symbol)
        if place >= order - 1:
            assert found[place] == pytest.approx(expected)
    last = [model.probabilities(text_panel([*text, symbol], levels))[-1] for symbol in range(4)]
    assert sum(last) == pytest.approx(1)


def test_estimated_discounts_are_used_where_counts_allow():
    random = np.random.default_rng(0)
    training = random.choice(4, size=400, p=[0.1, 0.2, 0.3, 0.4]).tolist()
    model = KneserNey(order=4)
    model.fit(text_panel(training, ("<unknown>", "a", "b", "c")))
    text = random.choice(4, size=30).tolist()
    found = model.probabilities(text_panel(text, ("<unknown>", "a", "b", "c")))
    for place in range(3, 30):
        assert found[place] == pytest.approx(plain_kneser_ney(training, 4, 4, tuple(text[:place]), text[place]))


def test_longer_contexts_know_more_of_a_rhyme():
    training, text = text_panel(CODES * 3, LEVELS), text_panel(CODES * 4, LEVELS)
    found = []
    for order in (1, 2, 4):
        model = KneserNey(order=order)
        model.fit(training)
        found.append(model.nats(text, len(CODES) * 3, len(CODES) * 4))
    assert found == sorted(found, reverse=True)


def test_too_short_a_text_is_refused():
    with pytest.raises(DataError, match="has 2 symbols, fewer than order=6"):
        KneserNey().fit(text_panel([1, 2], LEVELS))


def test_gzip_is_the_size_of_the_part():
    found = Gzip().nats(text_panel(CODES * 20, LEVELS), len(CODES), len(CODES) * 20)
    size = len(gzip.compress((RHYME * 19).encode(), 9, mtime=0))
    assert found == pytest.approx(8 * math.log(2) * size)


def test_metrics_are_those_of_torchmetrics_whatever_the_batches():
    spec = text_spec(["a", " bc", "def"], "word")
    generator = torch.Generator().manual_seed(0)
    logits, symbols = torch.randn(5, 6, 4, generator=generator), torch.randint(4, (5, 6), generator=generator)
    found = logits.log_softmax(-1).gather(-1, symbols.unsqueeze(-1)).squeeze(-1)
    theirs = TheirPerplexity()
    theirs.update(logits, symbols)
    metrics = [metric(spec=spec) for metric in (Nats, Perplexity, BitsPerCharacter)]
    for metric in metrics:
        metric.update(found[:2], symbols[:2])
        metric.update(found[2:], symbols[2:])
    nats, perplexity, bits = (metric.compute().item() for metric in metrics)
    assert perplexity == pytest.approx(theirs.compute().item(), rel=1e-6)
    assert nats == pytest.approx(math.log(perplexity))
    characters = torch.tensor([1, 1, 3, 3])[symbols].sum().item()
    assert bits == pytest.approx(-found.double().sum().item() / math.log(2) / characters)
    assert [metric.description.unit for metric in metrics] == ["nats", "", "bit"]
    assert all(metric.description.higher_is_better is False for metric in metrics)

"""1-NN DTW: distances by the textbook's recursion, neighbours by brute force, and its cost."""

import builtins
import logging
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled_sequences import sequences_of

from recast.data.panel import Panel
from recast.errors import ConfigurationError, MisfitError
from recast.scoring.baselines.dtw import DynamicTimeWarping


def noisy(lengths: list[int], seed: int, classes: int = 3) -> Panel:
    panel = sequences_of(lengths, classes=classes)
    return replace(panel, values=np.random.default_rng(seed).normal(size=panel.values.shape) * [1.0, 5.0])


def textbook(a: np.ndarray, b: np.ndarray, window: float) -> float:
    """The least cost by dynamic programming, within the band."""
    width = int(window * max(len(a), len(b))) + abs(len(a) - len(b))
    cost = np.full((len(a) + 1, len(b) + 1), np.inf)
    cost[0, 0] = 0
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            if i - j <= width and j - i <= width:
                before = min(cost[i - 1, j], cost[i, j - 1], cost[i - 1, j - 1])
                cost[i, j] = ((a[i - 1] - b[j - 1]) ** 2).sum() + before
    return np.sqrt(cost[-1, -1])


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=4, max_size=8),
    others=st.lists(st.integers(1, 12), min_size=1, max_size=4),
    seed=st.integers(0, 999),
)
def test_the_class_is_that_of_the_nearest_sequence_without_a_band(lengths, others, seed):
    training, asked = noisy(lengths, seed), noisy(others, seed + 1)
    baseline = DynamicTimeWarping(window=1.0, own_scale=False)
    baseline.fit(training)
    found = baseline.probabilities(asked)
    mean, spread = training.values.mean(axis=0), training.values.std(axis=0)
    for row, (first, stop) in zip(found, asked.pieces, strict=True):
        one = (asked.values[first:stop] - mean) / spread
        distances = [textbook(one, (training.values[start:end] - mean) / spread, 1.0) for start, end in training.pieces]
        assert row.argmax() == training.labels[int(np.argmin(distances))]


def test_within_a_band_of_equal_lengths_it_is_the_textbooks():
    training, asked = noisy([20] * 9, 5), noisy([20] * 12, 6)
    for window in (0.0, 0.1, 0.3):
        baseline = DynamicTimeWarping(window=window, own_scale=False)
        baseline.fit(training)
        mean, spread = training.values.mean(axis=0), training.values.std(axis=0)
        for row, (first, stop) in zip(baseline.probabilities(asked), asked.pieces, strict=True):
            one = (asked.values[first:stop] - mean) / spread
            distances = [
                textbook(one, (training.values[start:end] - mean) / spread, window) for start, end in training.pieces
            ]
            assert row.argmax() == training.labels[int(np.argmin(distances))], window


def shapes(count: int, seed: int, *, sizes: bool) -> Panel:
    """Three shapes; of random size, or of one that tells the class where the shape does not."""
    random = np.random.default_rng(seed)
    values = []
    for number in range(count):
        time = np.linspace(0, 1, random.integers(20, 40))
        label = number % 3
        wave = np.sin(2 * np.pi * time * (label + 1 if sizes else 1))
        values.append(
            (np.exp(2 * random.normal()) if sizes else 3.0**label) * wave + 0.01 * random.normal(size=len(time))
        )
    panel = sequences_of([len(one) for one in values], channels=1)
    return replace(panel, values=np.concatenate(values)[:, None])


@pytest.mark.parametrize("sizes", [True, False])
def test_the_scaling_is_what_suits_the_training_sequences(sizes, caplog):
    caplog.set_level(logging.INFO, "recast")
    training, asked = shapes(30, 0, sizes=sizes), shapes(30, 1, sizes=sizes)
    baseline = DynamicTimeWarping()
    baseline.fit(training)
    found = baseline.probabilities(asked)
    assert (found.argmax(axis=1) == asked.labels).mean() > 0.95
    assert f"own_scale={str(sizes).lower()}" in caplog.text
    # All but one of 32: every training sequence is classified rightly.
    assert found.max(axis=1) == pytest.approx(np.full(30, 31 / 32))
    assert found.sum(axis=1) == pytest.approx(np.ones(30))


def test_gaps_are_interpolated():
    training, asked = shapes(30, 0, sizes=False), shapes(12, 1, sizes=False)
    values = asked.values.copy()
    values[::3] = np.nan
    baseline = DynamicTimeWarping()
    baseline.fit(training)
    found = baseline.probabilities(replace(asked, values=values))
    assert found.argmax(axis=1).tolist() == asked.labels.tolist()


def test_what_would_take_long_is_refused():
    training, asked = noisy([30] * 40, 0), noisy([20] * 50, 1)
    DynamicTimeWarping().require_affordable(training, asked)
    with pytest.raises(MisfitError, match=r"50 sequences to compare with 40 make .* most_cells=1\.0e\+04"):
        DynamicTimeWarping(most_cells=10_000).require_affordable(training, asked)


def test_without_the_package_the_extra_is_named(monkeypatch):
    real = builtins.__import__

    def missing(name, *args, **options):
        if name.startswith("dtaidistance"):
            raise ImportError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", missing)
    panel = noisy([3, 4, 5], 0)
    with pytest.raises(MisfitError, match=r"needs the package dtaidistance: pip install 'recast-rnn\[dtw\]'"):
        DynamicTimeWarping().require_affordable(panel, panel)


@pytest.mark.parametrize(("option", "value"), [("window", 1.5), ("window", -0.1), ("most_cells", 0)])
def test_impossible_options_are_refused(option, value):
    with pytest.raises(ConfigurationError, match=option):
        DynamicTimeWarping(**{option: value})

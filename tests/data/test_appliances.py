"""The simulator of appliances: what its docstring says of lengths, classes, level and spread."""

import numpy as np
import pytest

from recast.data.sources.appliances import KINDS, Appliances
from recast.data.sources.fingerprint import fingerprint
from recast.errors import ConfigurationError
from recast.scoring.baselines.class_baselines import SummaryRidge


def test_equal_seeds_give_equal_sequences():
    first, again, other = (Appliances(train=30, test=20, seed=seed).read() for seed in (3, 3, 4))
    assert fingerprint(*first) == fingerprint(*again) != fingerprint(*other)


def test_lengths_and_classes_are_those_asked_for():
    train, test = Appliances(train=400, test=300).read()
    assert (len(train.ids), len(test.ids)) == (400, 300)
    for part in (train, test):
        assert part.classes == tuple(KINDS)
        assert 100 <= part.lengths.min() < 110
        assert 1200 < part.lengths.max() <= 1344
    # Evenly on a logarithmic scale: the median is the geometric mean.
    assert np.median(train.lengths) == pytest.approx(np.sqrt(100 * 1344), rel=0.1)
    expected = np.array([kind.frequency for kind in KINDS.values()])
    assert np.bincount(train.labels) / 400 == pytest.approx(expected, abs=0.05)
    short, _ = Appliances(train=20, test=1, shortest=7, longest=7).read()
    assert set(short.lengths) == {7}


def test_level_and_spread_say_next_to_nothing():
    train, test = Appliances().read()
    baseline = SummaryRidge()
    baseline.fit(train)
    assert (baseline.probabilities(test).argmax(axis=1) == test.labels).mean() < 0.25


def test_without_noise_a_sequence_is_its_wave():
    train, _ = Appliances(train=300, test=1, noise=0.0).read()
    of = {name: [] for name in KINDS}
    for (first, stop), label in zip(train.pieces, train.labels, strict=True):
        values = train.values[first:stop, 0]
        of[train.classes[label]].append((np.ptp(values) / 2 - 0) / (values - np.median(values)).std())
    # A sine's crest factor is the root of 2; narrow pulses have a larger one.
    assert np.median(of["heater"]) == pytest.approx(np.sqrt(2), rel=0.02)
    assert np.median(of["lamp"]) > np.median(of["heater"]) * 1.2


def test_impossible_options_are_refused():
    with pytest.raises(ConfigurationError, match="shortest=10 must not be above longest=9"):
        Appliances(shortest=10, longest=9)
    with pytest.raises(ConfigurationError, match="noise"):
        Appliances(noise=-0.1)

"""Digits as sequences: what scikit-learn has, each pixel once, in one order for all images."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from recast.data.sources.digits import Digits
from recast.data.sources.fingerprint import fingerprint
from recast.errors import ConfigurationError


def images_of(*panels) -> tuple[np.ndarray, np.ndarray]:
    """All images, in the order of their pixels' bytes, and what they show."""
    images = np.concatenate([panel.values.reshape(-1, 64) * 16 for panel in panels])
    labels = np.concatenate([panel.labels for panel in panels])
    order = np.lexsort(np.column_stack([images, labels]).T)
    return images[order], labels[order]


def test_they_are_those_of_scikit_learn():
    train, test = Digits().read()
    assert (len(train.ids), len(test.ids)) == (1437, 360)
    assert set(train.lengths) == set(test.lengths) == {64}
    assert train.classes == test.classes == tuple("0123456789")
    pixels, labels = load_digits(return_X_y=True)
    order = np.lexsort(np.column_stack([pixels, labels]).T)
    images, found = images_of(train, test)
    np.testing.assert_array_equal(images, pixels[order])
    np.testing.assert_array_equal(found, labels[order])


def test_all_images_are_permuted_alike():
    plain, permuted = (np.concatenate([part.values.reshape(-1, 64) for part in Digits(permuted=order).read()])
                       for order in (False, True))  # fmt: skip
    # The same images are in the same place: one column of the one is one of the other.
    places = [np.flatnonzero((plain == column[:, None]).all(axis=0)) for column in permuted.T]
    assert all(len(place) for place in places)
    assert {int(place) for found in places for place in found} == set(range(64))
    assert not np.array_equal(plain, permuted)


def test_equal_seeds_give_equal_images():
    first, again, other = (Digits(seed=seed).read() for seed in (3, 3, 4))
    assert fingerprint(*first) == fingerprint(*again) != fingerprint(*other)


def test_some_images_are_left_to_train_on():
    with pytest.raises(ConfigurationError, match=r"^Digits: test="):
        Digits(test=1797)

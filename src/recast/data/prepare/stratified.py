"""Setting a part of labelled samples aside, each class in its proportion."""

import numpy as np


def stratified(labels: np.ndarray, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Indices of the samples that stay and of those set aside, both ascending.

    Of the n samples of a class fraction * n are set aside, rounded down or up so that the sum over the classes is the
    rounded fraction of all (largest remainders first). Every class keeps one sample at least.

    Args:
        labels: Class of each sample, shape (samples,).
        fraction: Share of the samples to set aside.
        seed: Seed of the choice.
    """
    random = np.random.default_rng(seed)
    classes, counts = np.unique(labels, return_counts=True)
    wanted = counts * fraction
    taken = np.minimum(np.floor(wanted).astype(int), counts - 1)
    spare = round(len(labels) * fraction) - taken.sum()
    for place in np.argsort(taken - wanted, kind="stable"):
        if spare > 0 and taken[place] < counts[place] - 1:
            taken[place] += 1
            spare -= 1
    aside = np.zeros(len(labels), dtype=bool)
    for name, count in zip(classes, taken, strict=True):
        aside[random.permutation(np.flatnonzero(labels == name))[:count]] = True
    return np.flatnonzero(~aside), np.flatnonzero(aside)

"""Baselines of classification."""

from abc import abstractmethod
from typing import final

import numpy as np
from jaxtyping import Float
from scipy.special import softmax

from recast.data.panel import Panel
from recast.errors import DataError
from recast.options import PositiveFloat, checked
from recast.scoring.baselines.baseline import AnyBaseline


class ClassBaseline(AnyBaseline[Panel]):
    """A classifier without a network: fitted on the training sequences, in the data's own unit."""

    def require_affordable(self, training: Panel, scored: Panel) -> None:
        """Refuses sets that would take too long, before `fit`; none unless overridden.

        Args:
            training: The sequences to be fitted on.
            scored: Those to be classified.

        Raises:
            MisfitError: if they would.
        """

    @abstractmethod
    def fit(self, sequences: Panel) -> None:
        """Fits on the training sequences; must be called before `probabilities`. A second call refits from scratch."""

    @abstractmethod
    def probabilities(self, sequences: Panel) -> Float[np.ndarray, "sequences classes"]:
        """The probability of each class for each sequence; labels are ignored."""


@final
class Majority(ClassBaseline):
    """The most frequent class of the training part; it ignores the sequence.

    Its probabilities are the frequencies of the classes, (count + 1) / (sequences + classes), so that none is zero
    (Laplace's rule of succession). On ties the first class in the header is predicted.
    """

    @checked
    def __init__(self) -> None:
        pass

    def fit(self, sequences: Panel) -> None:
        """See the base class."""
        counts = np.bincount(sequences.labels, minlength=len(sequences.classes))
        self._frequencies = (counts + 1) / (counts + 1).sum()

    def probabilities(self, sequences: Panel) -> Float[np.ndarray, "sequences classes"]:
        """See the base class."""
        return np.tile(self._frequencies, (len(sequences.ids), 1))


@final
class SummaryRidge(ClassBaseline):
    """Ridge regression from mean, standard deviation, first and last value of each channel to the classes.

    The features x are standardised on the training part; the targets are +1 for the true class and -1 for the others
    (Hastie, Tibshirani & Friedman 2009, "The elements of statistical learning", sections 3.4.1 and 4.2):

        minimise |X W + 1 b' - Y|^2 + penalty |W|^2

    It shows how much a network gains by following a sequence through time. Scores are turned into probabilities by a
    softmax; these are for ranking, not calibrated.

    Args:
        penalty: Weight of the squared coefficients, for standardised features.
    """

    @checked
    def __init__(self, *, penalty: PositiveFloat = 1.0) -> None:
        self.penalty = penalty

    def fit(self, sequences: Panel) -> None:
        """See the base class.

        Raises:
            DataError: if there is no sequence.
        """
        if not len(sequences.ids):
            raise DataError("SummaryRidge: the training part has no sequence")
        features = summary(sequences)
        self._offset, spread = features.mean(axis=0), features.std(axis=0)
        self._scale = np.where(spread > 0, spread, 1.0)
        x = (features - self._offset) / self._scale
        y = np.where(sequences.labels[:, None] == np.arange(len(sequences.classes)), 1.0, -1.0)
        self._intercept = y.mean(axis=0)
        gram = x.T @ x + self.penalty * np.eye(x.shape[1])
        self._weights = np.linalg.solve(gram, x.T @ (y - self._intercept))

    def probabilities(self, sequences: Panel) -> Float[np.ndarray, "sequences classes"]:
        """See the base class."""
        x = (summary(sequences) - self._offset) / self._scale
        return softmax(x @ self._weights + self._intercept, axis=1)


def summary(sequences: Panel) -> Float[np.ndarray, "sequences features"]:
    """Mean, (population) standard deviation, first and last value observed of each channel of each sequence.

    0 for a channel that was never observed.
    """
    values, first = sequences.values, sequences.starts
    observed = ~np.isnan(values)
    counts = np.maximum(np.add.reduceat(observed.astype(np.int64), first), 1)
    mean = np.add.reduceat(np.where(observed, values, 0.0), first) / counts
    centred = np.where(observed, values - np.repeat(mean, sequences.lengths, axis=0), 0.0)
    std = np.sqrt(np.add.reduceat(centred**2, first) / counts)
    rows = np.arange(len(values))[:, None]
    # Where nothing was observed, these index the final row of zeros.
    earliest = np.minimum.reduceat(np.where(observed, rows, len(values)), first)
    latest = np.maximum.reduceat(np.where(observed, rows, -1), first) % (len(values) + 1)
    padded = np.concatenate([values, np.zeros_like(values[:1])])
    ends = [np.take_along_axis(padded, places, axis=0) for places in (earliest, latest)]
    return np.concatenate([mean, std, *ends], axis=1)

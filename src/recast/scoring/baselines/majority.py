"""The most frequent class."""

from typing import final

import numpy as np
from jaxtyping import Float

from recast.data.panel import Panel
from recast.options import checked
from recast.scoring.baselines.class_baseline import ClassBaseline


@final
class Majority(ClassBaseline):
    """The most frequent class of the training part; it does not look at the sequence.

    Its probabilities are the frequencies of the classes, (count + 1) / (sequences + classes), so that none is zero
    (Laplace's rule of succession). Of equally frequent classes the first of the header is predicted.
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

"""The base of all baselines of classification."""

from abc import abstractmethod

import numpy as np
from jaxtyping import Float

from recast.data.panel import Panel
from recast.scoring.baselines.any_baseline import AnyBaseline


class ClassBaseline(AnyBaseline[Panel]):
    """A classifier without a network: fitted on the training sequences, in the data's own unit."""

    @abstractmethod
    def fit(self, sequences: Panel) -> None:
        """Learns from the training sequences; must come before `probabilities`. A second call starts afresh."""

    @abstractmethod
    def probabilities(self, sequences: Panel) -> Float[np.ndarray, "sequences classes"]:
        """The probability of each class for each sequence, whose label is not looked at."""

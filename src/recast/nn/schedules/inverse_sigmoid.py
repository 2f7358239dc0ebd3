"""Inverse sigmoid decay."""

from recast.nn.schedules.progress import Unit, elapsed, planned
from recast.nn.schedules.schedule import Schedule
from recast.options import PositiveInt, checked
from recast.types import Progress


class InverseSigmoid(Schedule):
    """An S-shaped decay from nearly one to zero (Bengio et al. 2015, arXiv 1506.03099, section 2.4).

        p = k / (k + exp(i / k)),    i = progress

    Given is not k but the progress at which p = 1/2, half = k ln k. With Lambert's function W, k = half / W(half) and

        p = sigmoid(W(half) (1 - i / half))

    so that p begins at k / (k + 1): .64 for half = 1, .991 for half = 500, .99991 for half = 100,000.

    Args:
        by: Whether progress is counted in optimiser steps or in epochs.
        half: Number of them at which the probability is 1/2; None: half of the run. [steps or epochs, see by]

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    @checked
    def __init__(self, *, by: Unit = "step", half: PositiveInt | None = None) -> None:
        self.by: Unit = by
        self.half = half

    def probability(self, progress: Progress) -> float:
        """The probability that the truth is fed."""
        from scipy.special import expit, lambertw

        half = planned(progress, self.by) / 2 if self.half is None else self.half
        return float(expit(lambertw(half).real * (1 - elapsed(progress, self.by) / half)))

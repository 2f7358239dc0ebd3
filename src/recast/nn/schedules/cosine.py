"""Cosine decay."""

import math

from recast.nn.schedules.decay import Decay
from recast.nn.schedules.progress import Unit
from recast.options import PositiveInt, Probability, checked


class Cosine(Decay):
    """Half a cosine wave: flat at both ends, steepest halfway.

        p = end + (start - end) (1 + cos(pi f)) / 2,    f = progress / over

    The form is that of the learning rate of Loshchilov & Hutter 2017, arXiv 1608.03983, equation 5.

    Args:
        by: Whether progress is counted in optimiser steps or in epochs.
        over: Number of them until `end` is reached; None: the whole run. [steps or epochs, see by]
        start: Probability at the beginning.
        end: Probability at the end. It may be the larger one.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    @checked
    def __init__(
        self, *, by: Unit = "step", over: PositiveInt | None = None, start: Probability = 1.0, end: Probability = 0.0
    ) -> None:
        super().__init__(by=by, over=over, start=start, end=end)

    def curve(self, fraction: float) -> float:
        """The probability after `fraction` of the way."""
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * fraction)) / 2

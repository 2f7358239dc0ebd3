"""Exponential decay."""

from typing import Annotated

from annotated_types import Gt, Le

from recast.nn.schedules.decay import Decay
from recast.nn.schedules.progress import Unit
from recast.options import PositiveInt, checked

PositiveProbability = Annotated[float, Gt(0), Le(1)]


class Exponential(Decay):
    """A geometric decay (Bengio et al. 2015, arXiv 1506.03099, section 2.4).

        p = start (end / start)^f,    f = progress / over

    The paper's k^i has start = 1 and k = end^(1 / over).

    Args:
        by: Whether progress is counted in optimiser steps or in epochs.
        over: Number of them until `end` is reached; None: the whole run. [steps or epochs, see by]
        start: Probability at the beginning; not zero.
        end: Probability at the end; not zero. It may be the larger one.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    @checked
    def __init__(
        self,
        *,
        by: Unit = "step",
        over: PositiveInt | None = None,
        start: PositiveProbability = 1.0,
        end: PositiveProbability = 0.01,
    ) -> None:
        super().__init__(by=by, over=over, start=start, end=end)

    def curve(self, fraction: float) -> float:
        """The probability after `fraction` of the way."""
        return self.start * (self.end / self.start) ** fraction

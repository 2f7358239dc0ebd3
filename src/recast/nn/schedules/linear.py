"""Linear decay."""

from recast.nn.schedules.decay import Decay
from recast.nn.schedules.progress import Unit
from recast.options import PositiveInt, Probability, checked


class Linear(Decay):
    """A straight line (Bengio et al. 2015, arXiv 1506.03099, section 2.4).

        p = start + (end - start) f,    f = progress / over

    The paper's max(epsilon, k - c i) has epsilon = end, k = start and c = (start - end) / over.

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
        return self.start + (self.end - self.start) * fraction

"""Free running over a growing part of the horizon."""

from recast.nn.schedules.decay import Decay
from recast.nn.schedules.progress import Unit
from recast.options import PositiveInt, checked
from recast.types import Progress


class HorizonCurriculum(Decay):
    """The first r leads run free, the later ones are fed the truth; r grows linearly from 1 to the horizon.

        r = 1 + (horizon - 1) f,    f = progress / over

    Entry k - 1 of `probabilities` is thus 0 for k + 1 <= r and 1 for k >= r; the one lead between them takes the
    remaining fraction, so that their mean is 1 - f exactly. Training begins as teacher forcing and ends free-running.

    The idea of a schedule along the horizon is that of Teutsch & Mäder 2022, "Flipped classroom: effective teaching for
    time series forecasting", arXiv 2210.08959; that of growing tasks is curriculum learning (Bengio et al. 2009).

    Args:
        by: Whether progress is counted in optimiser steps or in epochs.
        over: Number of them until the whole horizon runs free; None: the whole run. [steps or epochs, see by]

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    @checked
    def __init__(self, *, by: Unit = "step", over: PositiveInt | None = None) -> None:
        super().__init__(by=by, over=over, start=1.0, end=0.0)

    def curve(self, fraction: float) -> float:
        """The mean probability over the leads after `fraction` of the way."""
        return 1 - fraction

    def probabilities(self, progress: Progress, horizon: int) -> list[float]:
        """The probability for each lead; see `Schedule.probabilities`."""
        free = (horizon - 1) * (1 - self.probability(progress))
        return [min(max(k - free, 0.0), 1.0) for k in range(1, horizon)]

"""Teacher forcing in turns."""

from recast.nn.schedules import Schedule
from recast.options import PositiveInt, checked
from recast.types import Progress


class Turns(Schedule):
    """The truth is fed in every other epoch.

    Args:
        period: Epochs until it is fed again. [epochs]
    """

    @checked
    def __init__(self, *, period: PositiveInt = 2) -> None:
        self.period = period

    def probability(self, progress: Progress) -> float:
        """1 in the first epoch of a period, else 0."""
        return float(progress.epoch % self.period == 0)

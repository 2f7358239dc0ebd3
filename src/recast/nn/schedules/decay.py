"""Schedules that lead from one probability to another and stay there."""

from abc import abstractmethod

from recast.nn.schedules.progress import Unit, elapsed, planned
from recast.nn.schedules.schedule import Schedule
from recast.types import Progress


class Decay(Schedule):
    """A schedule that follows a curve from `start` to `end` and stays at `end`.

    Args:
        by: Whether progress is counted in optimiser steps or in epochs.
        over: Number of them until `end` is reached; None: the whole run. [steps or epochs, see by]
        start: Probability at the beginning.
        end: Probability at the end. It may be the larger one.
    """

    def __init__(self, *, by: Unit, over: int | None, start: float, end: float) -> None:
        self.by: Unit = by
        self.over = over
        self.start = start
        self.end = end

    @abstractmethod
    def curve(self, fraction: float) -> float:
        """The probability after `fraction` of the way, in [0, 1]; monotone, from `start` at 0 to `end` at 1."""

    def probability(self, progress: Progress) -> float:
        """The probability that the truth is fed."""
        length = planned(progress, self.by) if self.over is None else self.over
        fraction = min(elapsed(progress, self.by) / length, 1.0)
        low, high = sorted((self.start, self.end))
        return min(max(self.curve(fraction), low), high)  # rounding may step over the ends

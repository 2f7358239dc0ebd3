"""Free running."""

from recast.nn.schedules.schedule import Schedule
from recast.types import Progress


class Never(Schedule):
    """The truth is never fed: the decoder runs free in training as it does in use."""

    def probability(self, progress: Progress) -> float:
        """Zero."""
        return 0.0

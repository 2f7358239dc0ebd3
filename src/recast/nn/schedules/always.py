"""Teacher forcing."""

from recast.nn.schedules.schedule import Schedule
from recast.types import Progress


class Always(Schedule):
    """The truth is always fed: teacher forcing (Williams & Zipser 1989).

    The decoder then never meets its own errors before it is used (exposure bias).
    """

    def probability(self, progress: Progress) -> float:
        """One."""
        return 1.0

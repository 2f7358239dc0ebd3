"""The same probability throughout."""

from recast.nn.schedules.schedule import Schedule
from recast.options import Probability, checked
from recast.types import Progress


class Constant(Schedule):
    """The truth is fed with the same probability throughout.

    Args:
        value: The probability.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    @checked
    def __init__(self, *, value: Probability = 0.5) -> None:
        self.value = value

    def probability(self, progress: Progress) -> float:
        """The probability that the truth is fed."""
        return self.value

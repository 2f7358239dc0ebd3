"""What a teacher-forcing schedule is."""

from abc import ABC, abstractmethod

from recast.types import Progress


class Schedule(ABC):
    """The probability that a decoder in training is fed the truth and not its own forecast.

    A schedule is a pure function of the progress, so that it goes on where it was after a resume. A new schedule
    inherits from this class and writes `probability`.
    """

    @abstractmethod
    def probability(self, progress: Progress) -> float:
        """The probability that the truth is fed, in [0, 1]; where leads differ, its mean over them."""

    def probabilities(self, progress: Progress, horizon: int) -> list[float]:
        """The probability for each lead: entry k - 1 is that of feeding the truth at lead k as input for lead k + 1.

        Args:
            progress: How far training has come.
            horizon: Steps forecast. [steps]

        Returns:
            horizon - 1 values in [0, 1]: nothing is fed after the last lead. The same value for each lead, unless a
            schedule says otherwise.
        """
        return [self.probability(progress)] * (horizon - 1)

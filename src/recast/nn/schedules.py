"""Schedules of teacher forcing: the probability of feeding the truth as a function of training progress."""

import math
from abc import ABC, abstractmethod
from typing import Annotated, Literal

from annotated_types import Gt, Le

from recast.errors import ConfigurationError
from recast.options import PositiveInt, Probability, checked
from recast.types import Progress


class Schedule(ABC):
    """The probability that a decoder in training is fed the truth rather than its own forecast.

    A schedule is a pure function of the progress, so that it continues unchanged after a resume. A new schedule
    subclasses this and implements `probability`.
    """

    @abstractmethod
    def probability(self, progress: Progress) -> float:
        """The probability that the truth is fed, in [0, 1]; where leads differ, its mean over them."""

    def probabilities(self, progress: Progress, horizon: int) -> list[float]:
        """The probability for each lead: entry k - 1 is that of feeding the truth at lead k as input for lead k + 1.

        Args:
            progress: Training progress.
            horizon: Steps forecast. [steps]

        Returns:
            horizon - 1 values in [0, 1]: nothing is fed after the last lead. The same value for each lead, unless a
            subclass overrides it.
        """
        return [self.probability(progress)] * (horizon - 1)


Unit = Literal["step", "epoch"]


def elapsed(progress: Progress, by: Unit) -> int:
    """Elapsed steps or epochs."""
    return progress.step if by == "step" else progress.epoch


def planned(progress: Progress, by: Unit) -> int:
    """Planned steps or epochs of the whole run.

    Raises:
        ConfigurationError: if the run has no planned end.
    """
    total = progress.total_steps if by == "step" else progress.total_epochs
    if total < 1:
        raise ConfigurationError(
            f"schedule: it is spread over the whole run, but the run has no planned number of {by}s (found {total}); "
            "limit the run, or give the schedule its length"
        )
    return total


class Decay(Schedule):
    """A schedule that follows a curve from `start` to `end` and stays at `end`.

    Args:
        by: Whether progress is counted in optimiser steps or in epochs.
        over: Number of them until `end` is reached; None: the whole run. [steps or epochs, see by]
        start: Probability at the beginning.
        end: Probability at the end. It may exceed `start`.
    """

    def __init__(self, *, by: Unit, over: int | None, start: float, end: float) -> None:
        self.by: Unit = by
        self.over = over
        self.start = start
        self.end = end

    @abstractmethod
    def curve(self, fraction: float) -> float:
        """The probability at `fraction` of the schedule, in [0, 1]; monotone, from `start` at 0 to `end` at 1."""

    def probability(self, progress: Progress) -> float:
        """The probability that the truth is fed."""
        length = planned(progress, self.by) if self.over is None else self.over
        fraction = min(elapsed(progress, self.by) / length, 1.0)
        low, high = sorted((self.start, self.end))
        return min(max(self.curve(fraction), low), high)  # rounding may overshoot the ends


class Always(Schedule):
    """The truth is always fed: teacher forcing (Williams & Zipser 1989).

    The decoder then never meets its own errors in training (exposure bias).
    """

    def probability(self, progress: Progress) -> float:
        """One."""
        return 1.0


class Never(Schedule):
    """The truth is never fed: the decoder is free-running in training as at inference."""

    def probability(self, progress: Progress) -> float:
        """Zero."""
        return 0.0


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


class Linear(Decay):
    """A straight line (Bengio et al. 2015, arXiv 1506.03099, section 2.4).

        p = start + (end - start) f,    f = progress / over

    The paper's max(epsilon, k - c i) has epsilon = end, k = start and c = (start - end) / over.

    Args:
        by: Whether progress is counted in optimiser steps or in epochs.
        over: Number of them until `end` is reached; None: the whole run. [steps or epochs, see by]
        start: Probability at the beginning.
        end: Probability at the end. It may exceed `start`.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    @checked
    def __init__(
        self, *, by: Unit = "step", over: PositiveInt | None = None, start: Probability = 1.0, end: Probability = 0.0
    ) -> None:
        super().__init__(by=by, over=over, start=start, end=end)

    def curve(self, fraction: float) -> float:
        """The probability at `fraction` of the schedule."""
        return self.start + (self.end - self.start) * fraction


PositiveProbability = Annotated[float, Gt(0), Le(1)]


class Exponential(Decay):
    """A geometric decay (Bengio et al. 2015, arXiv 1506.03099, section 2.4).

        p = start (end / start)^f,    f = progress / over

    The paper's k^i has start = 1 and k = end^(1 / over).

    Args:
        by: Whether progress is counted in optimiser steps or in epochs.
        over: Number of them until `end` is reached; None: the whole run. [steps or epochs, see by]
        start: Probability at the beginning; not zero.
        end: Probability at the end; not zero. It may exceed `start`.

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
        """The probability at `fraction` of the schedule."""
        return self.start * (self.end / self.start) ** fraction


class InverseSigmoid(Schedule):
    """An S-shaped decay from nearly one to zero (Bengio et al. 2015, arXiv 1506.03099, section 2.4).

        p = k / (k + exp(i / k)),    i = progress

    The parameter is not k but the progress at which p = 1/2, half = k ln k. With Lambert's function W,
    k = half / W(half) and

        p = sigmoid(W(half) (1 - i / half))

    so that p begins at k / (k + 1): .64 for half = 1, .991 for half = 500, .99991 for half = 100,000.

    Args:
        by: Whether progress is counted in optimiser steps or in epochs.
        half: Number of them at which the probability is 1/2; None: half of the run. [steps or epochs, see by]

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    @checked
    def __init__(self, *, by: Unit = "step", half: PositiveInt | None = None) -> None:
        self.by: Unit = by
        self.half = half

    def probability(self, progress: Progress) -> float:
        """The probability that the truth is fed."""
        from scipy.special import expit, lambertw

        half = planned(progress, self.by) / 2 if self.half is None else self.half
        return float(expit(lambertw(half).real * (1 - elapsed(progress, self.by) / half)))


class Cosine(Decay):
    """Half a cosine wave: flat at both ends, steepest halfway.

        p = end + (start - end) (1 + cos(pi f)) / 2,    f = progress / over

    The form is that of the learning rate of Loshchilov & Hutter 2017, arXiv 1608.03983, equation 5.

    Args:
        by: Whether progress is counted in optimiser steps or in epochs.
        over: Number of them until `end` is reached; None: the whole run. [steps or epochs, see by]
        start: Probability at the beginning.
        end: Probability at the end. It may exceed `start`.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    @checked
    def __init__(
        self, *, by: Unit = "step", over: PositiveInt | None = None, start: Probability = 1.0, end: Probability = 0.0
    ) -> None:
        super().__init__(by=by, over=over, start=start, end=end)

    def curve(self, fraction: float) -> float:
        """The probability at `fraction` of the schedule."""
        return self.end + (self.start - self.end) * (1 + math.cos(math.pi * fraction)) / 2


class HorizonCurriculum(Decay):
    """The first r leads are free-running, later ones are fed the truth; r grows linearly from 1 to the horizon.

        r = 1 + (horizon - 1) f,    f = progress / over

    Entry k - 1 of `probabilities` is thus 0 for k + 1 <= r and 1 for k >= r; the one lead between them takes the
    remaining fraction, so that the mean is exactly 1 - f. Training begins with teacher forcing and ends free-running.

    The idea of a schedule along the horizon is that of Teutsch & Mäder 2022, "Flipped classroom: effective teaching for
    time series forecasting", arXiv 2210.08959; that of growing tasks is curriculum learning (Bengio et al. 2009).

    Args:
        by: Whether progress is counted in optimiser steps or in epochs.
        over: Number of them until the whole horizon is free-running; None: the whole run. [steps or epochs, see by]

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    @checked
    def __init__(self, *, by: Unit = "step", over: PositiveInt | None = None) -> None:
        super().__init__(by=by, over=over, start=1.0, end=0.0)

    def curve(self, fraction: float) -> float:
        """The mean probability over the leads at `fraction` of the schedule."""
        return 1 - fraction

    def probabilities(self, progress: Progress, horizon: int) -> list[float]:
        """The probability for each lead; see `Schedule.probabilities`."""
        free = (horizon - 1) * (1 - self.probability(progress))
        return [min(max(k - free, 0.0), 1.0) for k in range(1, horizon)]

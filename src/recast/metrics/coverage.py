"""Coverage of the central prediction interval."""

import math
from typing import ClassVar, final

from torch import Tensor

from recast.errors import ConfigurationError
from recast.metrics.lead_metric import LeadMetric
from recast.options import Fraction, checked
from recast.spec import SeriesSpec
from recast.types import Forecast


@final
class Coverage(LeadMetric):
    """Share of truths inside the central interval of the sample trajectories; best when equal to `level`.

    The ends of the interval are the sample quantiles at (1 - level)/2 and (1 + level)/2, ends included. The quantile at
    p of m samples lies at rank p (m + 1), linear between ranks (Hyndman & Fan 1996, "Sample quantiles in statistical
    packages", The American Statistician 50, definition 6): a truth drawn like the m samples falls into each of the
    m + 1 parts they cut the axis into with equal probability, so that a perfect forecast covers `level` at whole ranks,
    however few the samples; the common definition 7 gives narrower intervals. It needs m >= 2/(1 - level) - 1 samples:
    19 for level 0.9.

    Args:
        spec: The series that is forecast.
        level: Nominal coverage of the interval.
    """

    higher_is_better = None
    needs_samples: ClassVar[bool] = True
    probabilistic: ClassVar[bool] = True

    @checked
    def __init__(self, *, spec: SeriesSpec, level: Fraction = 0.9) -> None:
        super().__init__(spec=spec)
        self.level = level

    def pointwise(self, forecast: Forecast, truth: Tensor) -> Tensor:
        """1 where the truth lies in the interval, else 0.

        Raises:
            ConfigurationError: if there are no samples, or too few for the level.
        """
        if forecast.samples is None:
            raise ConfigurationError(
                "Coverage: the forecast is a point without sample trajectories, so that it has no interval. "
                "Leave the metric out, or use a probabilistic head"
            )
        members = len(forecast.samples)
        rank = (1 - self.level) / 2 * (members + 1)
        # (1 - 0.9)/2 * 20 is 1 but for the last digit.
        if rank < 1 - 1e-9:
            needed = math.ceil(2 / (1 - self.level) - 1 - 1e-9)
            raise ConfigurationError(
                f"Coverage: level={self.level} needs at least {needed} sample trajectories, found {members}. "
                "Draw more samples or lower the level"
            )
        ordered = forecast.samples.sort(dim=0).values
        low, high = _at_rank(ordered, rank), _at_rank(ordered, members + 1 - rank)
        return ((low <= truth) & (truth <= high)).to(truth.dtype)


def _at_rank(ordered: Tensor, rank: float) -> Tensor:
    # Ranks count from 1; whole but for rounding means whole, else the end of the range would be left.
    nearest = round(rank)
    if abs(rank - nearest) < 1e-9:
        return ordered[nearest - 1]
    below = math.floor(rank)
    return ordered[below - 1].lerp(ordered[below], rank - below)

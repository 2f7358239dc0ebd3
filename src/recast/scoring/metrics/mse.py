"""Mean squared error."""

from typing import final

from torch import Tensor

from recast.scoring.metrics.description import squared
from recast.scoring.metrics.lead_metric import LeadMetric
from recast.types import Forecast


@final
class MSE(LeadMetric):
    """Mean squared error of the forecast mean: the mean of (f - y)^2, in the square of the data's unit.

    Args:
        spec: The series that is forecast.
    """

    higher_is_better = False

    def unit(self, of: str) -> str:
        """The square of the data's."""
        return squared(of)

    def pointwise(self, forecast: Forecast, truth: Tensor) -> Tensor:
        """(f - y)^2."""
        return (forecast.mean - truth).square()

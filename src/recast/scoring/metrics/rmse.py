"""Root mean squared error."""

from typing import final

from torch import Tensor

from recast.scoring.metrics.lead_metric import LeadMetric
from recast.types import Forecast


@final
class RMSE(LeadMetric):
    """Root mean squared error of the forecast mean: sqrt(mean of (f - y)^2), in the data's unit.

    The root is taken last, after averaging over windows, leads and targets: it is the root of `MSE`, not a mean of
    roots, so that the overall value is not the mean of the values per lead.

    Args:
        spec: The series that is forecast.
    """

    higher_is_better = False

    def pointwise(self, forecast: Forecast, truth: Tensor) -> Tensor:
        """(f - y)^2."""
        return (forecast.mean - truth).square()

    def finish(self, mean: Tensor) -> Tensor:
        """The square root."""
        return mean.sqrt()

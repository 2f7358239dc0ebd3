"""Mean absolute error."""

from typing import final

from torch import Tensor

from recast.scoring.metrics.lead_metric import LeadMetric
from recast.types import Forecast


@final
class MAE(LeadMetric):
    """Mean absolute error of the forecast mean: the mean of |f - y|, in the data's unit.

    Args:
        spec: The series that is forecast.
    """

    higher_is_better = False

    def pointwise(self, forecast: Forecast, truth: Tensor) -> Tensor:
        """|f - y|."""
        return (forecast.mean - truth).abs()

"""The largest errors count most."""

from torch import Tensor

from recast.scoring.metrics.lead_metric import LeadMetric
from recast.types import Forecast


class RootMeanQuartic(LeadMetric):
    """Fourth root of the mean fourth power of the error, in the data's unit.

    Args:
        spec: The series that is forecast.
    """

    higher_is_better = False

    def pointwise(self, forecast: Forecast, truth: Tensor) -> Tensor:
        """(f - y)^4."""
        return (forecast.mean - truth) ** 4

    def finish(self, mean: Tensor) -> Tensor:
        """The fourth root."""
        return mean**0.25

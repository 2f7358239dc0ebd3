"""Mean absolute error in scaled units."""

from typing import final

from torch import Tensor

from recast.scoring.metrics.lead_metric import LeadMetric
from recast.types import Forecast


@final
class ScaledMAE(LeadMetric):
    """Mean absolute error of the forecast mean in scaled units: the mean of |f - y| / s, without unit.

    s is the divisor of each target in the data's scaling, as in `recast.scoring.metrics.scaled_mse.ScaledMSE`: with the
    scaler Standard this is the "MAE on standardised data" of the literature. Where values are not scaled it is `MAE`.

    Args:
        spec: The series that is forecast; its `scale` is s.
    """

    higher_is_better = False

    def unit(self, of: str) -> str:
        """None; where values are not scaled, that of `MAE`."""
        return "" if self.spec.scaled_targets else of

    def pointwise(self, forecast: Forecast, truth: Tensor) -> Tensor:
        """|f - y| / s."""
        return ((forecast.mean - truth) / truth.new_tensor(self.spec.target_scale)).abs()

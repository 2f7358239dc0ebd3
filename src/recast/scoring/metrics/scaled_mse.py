"""Mean squared error in scaled units."""

from typing import final

from torch import Tensor

from recast.scoring.metrics.description import squared
from recast.scoring.metrics.lead_metric import LeadMetric
from recast.types import Forecast, ItemSizes


@final
class ScaledMSE(LeadMetric):
    """Mean squared error of the forecast mean in scaled units: the mean of ((f - y) / s)^2, without unit.

    s is the divisor of each target in the data's scaling, so that targets of different units have equal weight. With
    the scaler Standard, s is the standard deviation on the training rows, and this is the "MSE on standardised data"
    that the literature on long-horizon forecasting reports (Zhou et al. 2021, arXiv 2012.07436, section 5). Where
    values are not scaled (NoScaling) it is `MSE`. Where items or windows are scaled one by one, s is the standard
    deviation of the item on its training rows; items that are constant there are left out.

    Args:
        spec: The series that is forecast; its `scale` is s.
    """

    higher_is_better = False

    def unit(self, of: str) -> str:
        """None; where values are not scaled, that of `MSE`."""
        return "" if self.spec.scaled_targets else squared(of)

    def pointwise(self, forecast: Forecast, truth: Tensor) -> Tensor:
        """((f - y) / s)^2."""
        return ((forecast.mean - truth) / truth.new_tensor(self.spec.target_scale)).square()

    def by_item(self, forecast: Forecast, truth: Tensor, sizes: ItemSizes) -> Tensor:
        """((f - y) / s)^2, s that of the item."""
        return ((forecast.mean - truth) / sizes.scale).square()

    def unsized(self, sizes: ItemSizes) -> Tensor:
        """Items that are constant have no s."""
        return sizes.scale.isnan()

    @property
    def mixes(self) -> bool:
        """Also where items that differ in size are divided by the same s."""
        return super().mixes or (self.spec.items_differ and self.spec.local is None)

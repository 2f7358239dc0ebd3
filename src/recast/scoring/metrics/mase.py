"""Mean absolute scaled error."""

from typing import final

from torch import Tensor

from recast.data.spec import SeriesSpec
from recast.errors import ConfigurationError
from recast.options import checked
from recast.scoring.metrics.lead_metric import LeadMetric
from recast.types import Forecast, ItemSizes


@final
class MASE(LeadMetric):
    """Mean absolute scaled error of the forecast mean: the mean of |f - y| / q, without unit.

    q is the mean absolute error of the (seasonal) naive forecast on the training rows, for each target: below 1 the
    forecast is better than the naive one on the training rows. Of a panel each item has its own q, of its own training
    rows (`recast.data.prepare.item_sizes`); items that are constant there are left out. Hyndman & Koehler (2006),
    "Another look at measures of forecast accuracy", International Journal of Forecasting 22, section 3.

    Args:
        spec: The series that is forecast; its `naive_error` is q.

    Raises:
        ConfigurationError: if q is not a positive number for each target, as for a constant series.
    """

    higher_is_better = False

    @checked
    def __init__(self, *, spec: SeriesSpec) -> None:
        super().__init__(spec=spec)
        if len(spec.naive_error) != spec.targets:
            raise ConfigurationError(
                f"MASE: the series has {spec.targets} targets, but {len(spec.naive_error)} naive errors"
            )
        for name, error in zip(spec.target_names, spec.naive_error, strict=True):
            if not 0 < error < float("inf"):
                raise ConfigurationError(
                    f"MASE: the naive error of target {name!r} on the training rows is {error}; expected a positive "
                    "number, as the metric divides by it. A constant series has no MASE: leave the metric out"
                )

    def unit(self, of: str) -> str:
        """None."""
        return ""

    def pointwise(self, forecast: Forecast, truth: Tensor) -> Tensor:
        """|f - y| / q."""
        return (forecast.mean - truth).abs() / truth.new_tensor(self.spec.naive_error)

    def by_item(self, forecast: Forecast, truth: Tensor, sizes: ItemSizes) -> Tensor:
        """|f - y| / q, q that of the item."""
        return (forecast.mean - truth).abs() / sizes.naive_error

    def unsized(self, sizes: ItemSizes) -> Tensor:
        """Items that are constant have no q."""
        return sizes.naive_error.isnan()

"""Symmetric mean absolute percentage error."""

from typing import final

import torch
from torch import Tensor

from recast.scoring.metrics.lead_metric import LeadMetric
from recast.types import Forecast


@final
class SMAPE(LeadMetric):
    """Symmetric mean absolute percentage error of the forecast mean, in per cent.

    The mean of 200 |f - y| / (|f| + |y|), between 0 and 200 %: the variant of the M4 competition; 0/0 counts as 0. It
    is useful only for positive quantities: where the truth is 0, any error counts as 200 %. Makridakis (1993),
    "Accuracy measures: theoretical and practical concerns", International Journal of Forecasting 9; Makridakis et al.
    (2020), "The M4 Competition", International Journal of Forecasting 36.

    Args:
        spec: The series that is forecast.
    """

    higher_is_better = False

    def unit(self, of: str) -> str:
        """Per cent."""
        return "%"

    def pointwise(self, forecast: Forecast, truth: Tensor) -> Tensor:
        """200 |f - y| / (|f| + |y|), and 0 where both are 0."""
        size = forecast.mean.abs() + truth.abs()
        ratio = 200 * (forecast.mean - truth).abs() / size
        return torch.where(size == 0, 0.0, ratio)

"""Continuous ranked probability score."""

from typing import ClassVar, final

import torch
from torch import Tensor

from recast.errors import ConfigurationError
from recast.scoring.metrics.lead_metric import LeadMetric
from recast.types import Forecast


@final
class CRPS(LeadMetric):
    """Continuous ranked probability score of the sample trajectories, in the data's unit.

    The fair estimator from m samples x_i, with m (m - 1) in the second term:

        CRPS = 1/m sum_i |x_i - y| - 1/(2 m (m - 1)) sum_i sum_j |x_i - x_j|

    Its expectation does not depend on m, so that models with different numbers of samples can be compared; single
    values may be negative, but not in expectation. Each lead and target is scored separately (marginal distributions).
    Computed in O(m log m) from the sorted samples. A forecast with only a mean is a point, and the score is its
    absolute error, equal to `MAE`. It is not computed from quantiles: the tails beyond the outermost levels are
    unknown, so that values would not be comparable with those from samples; `Pinball` scores both. Gneiting & Raftery
    (2007), "Strictly proper scoring rules, prediction, and estimation", JASA 102, section 4.2; Ferro (2014), "Fair
    scores for ensemble forecasts", Quarterly Journal of the Royal Meteorological Society 140; Zamo & Naveau (2018),
    Mathematical Geosciences 50 (estimators compared).

    Args:
        spec: The series that is forecast.
    """

    higher_is_better = False
    needs: ClassVar[tuple[str, ...]] = ("samples",)
    of_points: ClassVar[bool] = True

    def pointwise(self, forecast: Forecast, truth: Tensor) -> Tensor:
        """The fair estimate for each window, lead and target.

        Raises:
            ConfigurationError: if there is only one sample, which has no spread, or only quantiles.
        """
        if forecast.samples is None and not forecast.is_point:
            raise ConfigurationError("CRPS: the forecast has quantiles but no sample trajectories; use Pinball")
        if forecast.samples is None:
            return (forecast.mean - truth).abs()
        members = len(forecast.samples)
        if members < 2:
            raise ConfigurationError(
                f"CRPS: found {members} sample trajectories, expected at least 2: one has no spread. Draw more samples"
            )
        ordered = forecast.samples.sort(dim=0).values
        # In ascending order, sum_{i<j} |x_i - x_j| = sum_i (2 i - m - 1) x_(i) with i from 1.
        weight = torch.arange(1 - members, members, 2, dtype=ordered.dtype, device=ordered.device)
        spread = torch.tensordot(weight, ordered, dims=1) / (members * (members - 1))
        return (ordered - truth).abs().mean(dim=0) - spread

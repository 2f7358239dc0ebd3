"""Pinball loss."""

from typing import ClassVar, final

import torch
from torch import Tensor

from recast.data.spec import SeriesSpec
from recast.errors import ConfigurationError
from recast.options import LEVELS, Levels, checked
from recast.scoring.metrics.lead_metric import LeadMetric
from recast.types import Forecast


@final
class Pinball(LeadMetric):
    """Mean pinball (quantile) loss over levels, in the data's unit.

    For the quantile q at level p and the truth y

        loss = p (y - q)          where y >= q
               (1 - p) (q - y)    where y < q

    It is smallest on average for the true quantile at p (Koenker & Bassett 1978, "Regression quantiles", Econometrica
    46). Its integral over all p is half of the continuous ranked probability score (Gneiting & Raftery 2007, "Strictly
    proper scoring rules, prediction, and estimation", JASA 102, section 6.2), so that the mean over evenly spaced
    levels approximates half of `CRPS`. The quantiles are those of the forecast, interpolated between its levels, or
    those of its sample trajectories (`recast.types.Forecast`). All quantiles of a forecast with only a mean equal that
    point: over levels symmetric about 0.5 the loss is half of the absolute error.

    Args:
        spec: The series that is forecast.
        levels: Levels of the quantiles, ascending, between 0 and 1. A head that forecasts quantiles gives those within
            its outermost levels; for others the metric is omitted.

    Raises:
        ConfigurationError: if the levels do not ascend.
    """

    higher_is_better = False
    needs: ClassVar[tuple[str, ...]] = ("quantiles", "samples")
    of_points: ClassVar[bool] = True

    @checked
    def __init__(self, *, spec: SeriesSpec, levels: Levels = LEVELS) -> None:
        super().__init__(spec=spec)
        self.levels = tuple(levels)

    def pointwise(self, forecast: Forecast, truth: Tensor) -> Tensor:
        """The mean over levels for each window, lead and target.

        Raises:
            ConfigurationError: if the forecast does not provide a level.
        """
        if forecast.is_point:
            quantiles = forecast.mean.expand(len(self.levels), *forecast.mean.shape)
        else:
            quantiles = forecast.quantiles_at(self.levels)
        if quantiles is None:
            raise ConfigurationError(
                f"Pinball: the forecast does not know its quantiles from {self.levels[0]:g} to {self.levels[-1]:g}. "
                "Draw more samples, give the head wider levels, or the metric narrower ones"
            )
        level = torch.tensor(self.levels, dtype=truth.dtype, device=truth.device).reshape(-1, 1, 1, 1)
        above = truth - quantiles
        return torch.maximum(level * above, (level - 1) * above).mean(dim=0)

"""Coverage of the central prediction interval."""

import math
from typing import ClassVar, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from recast.data.spec import SeriesSpec
from recast.errors import ConfigurationError
from recast.options import Fraction, checked
from recast.scoring.metrics.lead_metric import LeadMetric
from recast.types import Forecast, ItemSizes


@final
class Coverage(LeadMetric):
    """Share of truths inside the central interval of the forecast; best when equal to `level`.

    The ends of the interval are the quantiles at (1 - level)/2 and (1 + level)/2, ends included: those of the forecast,
    interpolated linearly between its levels, or those of m sample trajectories at rank p (m + 1)
    (`recast.types.Forecast`). A perfect forecast covers `level` at whole ranks, however few the samples; the common
    definition 7 gives narrower intervals. It needs m >= 2/(1 - level) - 1 samples: 19 for level 0.9. A truth where an
    end is unknown, so infinite, as too few truths calibrated, counts nowhere.

    Where the bands of a task are calibrated, it is that of the calibrated one in the test.

    Args:
        spec: The series that is forecast.
        level: Nominal coverage of the interval. A head that forecasts quantiles gives intervals within its outermost
            levels; for a wider one the metric is omitted.
    """

    higher_is_better = None
    of_band: ClassVar[bool] = True
    needs: ClassVar[tuple[str, ...]] = ("quantiles", "samples")

    @checked
    def __init__(self, *, spec: SeriesSpec, level: Fraction = 0.9) -> None:
        super().__init__(spec=spec)
        self.level = level
        self.levels = ((1 - level) / 2, (1 + level) / 2)
        self.perfect = level

    def unit(self, of: str) -> str:
        """None: a fraction."""
        return ""

    def pointwise(self, forecast: Forecast, truth: Tensor) -> Tensor:
        """1 where the truth lies in the interval, otherwise 0; NaN where an end is infinite.

        Raises:
            ConfigurationError: if the forecast has neither quantiles nor samples, or too few for the level.
        """
        band = forecast.interval(self.level)
        if band is None:
            raise ConfigurationError(f"Coverage: {self._lack(forecast)}")
        low, high = band
        return ((low <= truth) & (truth <= high)).to(truth.dtype).where(~(low.isinf() | high.isinf()), torch.nan)

    def counted(
        self,
        forecast: Forecast,
        truth: Float[Tensor, "batch horizon targets"],
        mask: Bool[Tensor, "batch horizon targets"] | None = None,
        sizes: ItemSizes | None = None,
    ) -> tuple[Float[Tensor, "batch horizon targets"], Bool[Tensor, "batch horizon targets"] | None]:
        """See the base class; of the windows whose ends are known."""
        values, mask = super().counted(forecast, truth, mask, sizes)
        known = ~values.isnan()
        return values.where(known, 0.0), known if mask is None else mask & known

    def _lack(self, forecast: Forecast) -> str:
        if forecast.quantiles is not None:
            return (
                f"level={self.level} needs quantiles at {self.levels[0]:g} and {self.levels[1]:g}, but those of the "
                f"forecast lie between {forecast.levels[0]:g} and {forecast.levels[-1]:g}. Lower the level, or give "
                "the head wider ones"
            )
        if forecast.samples is not None:
            needed = math.ceil(2 / (1 - self.level) - 1 - 1e-9)
            return (
                f"level={self.level} needs at least {needed} sample trajectories, found {len(forecast.samples)}. "
                "Draw more samples or lower the level"
            )
        return (
            "the forecast is a point without quantiles or sample trajectories, and so has no interval. "
            "Leave the metric out, or use a probabilistic head"
        )

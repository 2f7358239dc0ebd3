"""Conformal bands whose two ends are calibrated by themselves."""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from recast.options import Fraction, checked
from recast.scoring.calibration.calibration import Calibration, Scale
from recast.scoring.calibration.score_table import ScoreTable
from recast.types import Forecast


@final
class Asymmetric(Calibration):
    """A band whose ends are quantiles of the signed errors, for errors that are skewed or biased.

    With the errors e = truth - mean of n calibration windows, the ends of the band of level 1 - a are, for each lead
    and target, mean + the error of rank ceil((n + 1)(1 - a/2)) and mean - the same of -e: at most a/2 of the truths lie
    beyond each end (Romano, Patterson & Candès 2019, "Conformalized quantile regression", arXiv 1905.03222, theorem 2,
    for a model without spread). Its median moves with the bias; the mean stays the model's.

    Args:
        share: Share of the validation windows, the last of each item, that calibrate and do nothing else: the choice of
            the checkpoint does not see them. 0: all of them calibrate, though the checkpoint was chosen on them.
    """

    @checked
    def __init__(self, *, share: Fraction = 0.0) -> None:
        super().__init__(share)

    @property
    def kinds(self) -> int:
        """Two: the error, and its negative."""
        return 2

    def scores(
        self, forecast: Forecast, truth: Float[Tensor, "batch horizon targets"], scale: Scale
    ) -> Float[Tensor, "batch kinds horizon targets"]:
        """The error and its negative."""
        error = (truth.double() - forecast.mean.double()) / scale
        return torch.stack([error, -error], dim=1)

    def band(self, table: ScoreTable, forecast: Forecast, scale: Scale) -> Forecast:
        """See the base class."""
        mean = forecast.mean.double()

        def end(level: float) -> Tensor:
            if level < 0.5:
                return mean - table.at(1 - level)[1] * scale
            return mean + table.at(level)[0] * scale

        def inverse(levels: Sequence[float]) -> Tensor | None:
            if any(max(level, 1 - level) > table.most + 1e-9 for level in levels):
                return None
            return torch.stack([end(level) for level in levels])

        return Forecast(mean, inverse=inverse, reach=max(2 * table.most - 1, 0.0))

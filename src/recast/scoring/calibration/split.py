"""Split conformal bands."""

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
class Split(Calibration):
    """A band of the same width on both sides of the mean: split conformal prediction.

    With the scores |truth - mean| of n calibration windows, the band of level p is mean ± the score of rank
    ceil((n + 1) p), for each lead and target (Papadopoulos et al. 2002, "Inductive confidence machines for regression";
    Lei et al. 2018, "Distribution-free predictive inference for regression", JASA 113, algorithm 2).

    Args:
        share: Share of the validation windows, the last of each item, that calibrate and do nothing else: the choice of
            the checkpoint does not see them. 0: all of them calibrate, though the checkpoint was chosen on them.
    """

    @checked
    def __init__(self, *, share: Fraction = 0.0) -> None:
        super().__init__(share)

    def scores(
        self, forecast: Forecast, truth: Float[Tensor, "batch horizon targets"], scale: Scale
    ) -> Float[Tensor, "batch kinds horizon targets"]:
        """The absolute error."""
        return absolute_error(forecast, truth, scale)

    def band(self, table: ScoreTable, forecast: Forecast, scale: Scale) -> Forecast:
        """See the base class."""
        mean = forecast.mean.double()

        def inverse(levels: Sequence[float]) -> Tensor | None:
            if any(abs(2 * level - 1) > table.most + 1e-9 for level in levels):
                return None
            sides = [(1 if level > 0.5 else -1) * table.at(abs(2 * level - 1))[0] for level in levels]
            return torch.stack([mean + side * scale for side in sides])

        return Forecast(mean, inverse=inverse, reach=table.most)


def absolute_error(
    forecast: Forecast, truth: Float[Tensor, "batch horizon targets"], scale: Scale
) -> Float[Tensor, "batch 1 horizon targets"]:
    """The absolute error of the mean in scaled units."""
    return ((truth.double() - forecast.mean.double()).abs() / scale).unsqueeze(1)

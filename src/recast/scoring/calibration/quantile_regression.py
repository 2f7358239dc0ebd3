"""Conformalised quantile regression."""

from collections.abc import Sequence
from typing import ClassVar, final

import torch
from jaxtyping import Float
from torch import Tensor

from recast.errors import ConfigurationError
from recast.options import Fraction, Levels, checked
from recast.scoring.calibration.calibration import Calibration, Scale
from recast.scoring.calibration.score_table import ScoreTable
from recast.types import Forecast

LEVELS = [0.5, 0.8, 0.9, 0.95]


@final
class QuantileRegression(Calibration):
    """The model's own band, widened or narrowed by the same amount everywhere: it stays wide where the model is unsure.

    With the band [q_lo, q_hi] of a level p at a window, its score is max(q_lo - truth, truth - q_hi), and the
    calibrated band is [q_lo - c, q_hi + c], c the score of rank ceil((n + 1) p) of n calibration windows, for each lead
    and target (Romano, Patterson & Candès 2019, "Conformalized quantile regression", arXiv 1905.03222, equations 5 and
    6). Where c is so negative that the ends would cross they meet in the middle. Bands of other levels than those
    calibrated take c from the levels beside them, linearly (beyond the widest, its own), without the guarantee.

    Args:
        levels: Probabilities of the bands that are calibrated, ascending. Those wider than any that the model knows are
            left out.
        share: Share of the validation windows, the last of each item, that calibrate and do nothing else: the choice of
            the checkpoint does not see them. 0: all of them calibrate, though the checkpoint was chosen on them.
    """

    needs_band: ClassVar[bool] = True

    @checked
    def __init__(self, *, levels: Levels = LEVELS, share: Fraction = 0.0) -> None:
        super().__init__(share)
        self.levels = tuple(levels)

    @property
    def kinds(self) -> int:
        """One for each level."""
        return len(self.levels)

    def scores(
        self, forecast: Forecast, truth: Float[Tensor, "batch horizon targets"], scale: Scale
    ) -> Float[Tensor, "batch kinds horizon targets"]:
        """How far the truth lies outside the band of each level, negative inside; infinite where it is not known.

        Raises:
            ConfigurationError: if the forecast knows none of the bands.
        """
        true, found = truth.double(), []
        for level in self.levels:
            band = forecast.interval(level)
            if band is None:
                found.append(torch.full_like(true, torch.inf))
                continue
            low, high = (end.double() for end in band)
            found.append(torch.maximum(low - true, true - high) / scale)
        if all(score.isinf().all() for score in found):
            raise ConfigurationError(
                f"calibration=quantile: the model knows none of the bands of the levels {list(self.levels)}; give "
                "others (task.calibration.levels), or the head wider ones (model.head.levels)"
            )
        return torch.stack(found, dim=1)

    def band(self, table: ScoreTable, forecast: Forecast, scale: Scale) -> Forecast:
        """See the base class."""
        known, corrections = [0.0], [torch.zeros_like(table.values[0, 0])]
        for kind, level in enumerate(self.levels):
            if level <= table.most + 1e-9 and (correction := table.at(level)[kind]).isfinite().any():
                known.append(level)
                corrections.append(correction)

        def correction_at(level: float) -> Tensor:
            above = next((place for place, other in enumerate(known) if other >= level - 1e-9), None)
            if above is None:
                return corrections[-1]
            if not above or abs(known[above] - level) < 1e-9:
                return corrections[above]
            share = (level - known[above - 1]) / (known[above] - known[above - 1])
            between = corrections[above - 1].lerp(corrections[above], share)
            return between.where(corrections[above].isfinite(), torch.inf)

        def end(level: float) -> Tensor | None:
            found = forecast.quantiles_at([level, 1 - level])
            if found is None:
                return None
            own, other = found.double()
            middle = (own + other) / 2
            change = correction_at(abs(2 * level - 1)) * scale
            return torch.minimum(own - change, middle) if level < 0.5 else torch.maximum(own + change, middle)

        def inverse(levels: Sequence[float]) -> Tensor | None:
            ends = [end(level) for level in levels]
            known = [found for found in ends if found is not None]
            return torch.stack(known) if len(known) == len(ends) else None

        return Forecast(forecast.mean.double(), inverse=inverse, reach=forecast.widest or 0.0)

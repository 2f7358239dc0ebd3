"""Adaptive conformal bands, which follow a series whose errors change."""

from collections.abc import Sequence
from typing import ClassVar, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from recast.options import Fraction, Levels, PositiveFloat, checked
from recast.scoring.calibration.calibration import Calibrated, Calibration, Scale
from recast.scoring.calibration.quantile_regression import LEVELS
from recast.scoring.calibration.score_table import ScoreTable
from recast.scoring.calibration.split import absolute_error
from recast.types import Forecast


@final
class Adaptive(Calibration):
    """A split conformal band whose level is raised after each miss and lowered after each hit, as truths come in.

    The band of level 1 - a is mean ± the score |truth - mean| of rank ceil((n + 1)(1 - a_t)) of the n calibration
    windows, with a_1 = a and after each window whose truth has become known

        a_(t+1) = a_t + rate (a - m),   m = 1 if the truth was outside of its band, otherwise 0

    for each lead and target by itself (Gibbs & Candès 2021, "Adaptive conformal inference under distribution shift",
    arXiv 2106.00170, equation 2), and a_t stays between 0 and 1. In the long run the share of misses is a, whatever the
    series does, as long as errors stay below the largest score: the band is never wider. A forecast k steps ahead
    adapts to truths up to its origin, those of forecasts made k steps before it or earlier. Each item of a panel is
    followed by itself, from a_1 on. Bands of other levels than those in `levels` change as those beside them, linearly.

    Args:
        levels: Probabilities of the bands that are followed, ascending.
        rate: How far a_t moves: a miss moves it by rate (1 - a), a hit by rate a. 0.005 to 0.05 are usual: larger ones
            follow faster and fluctuate more.
        share: Share of the validation windows, the last of each item, that calibrate and do nothing else: the choice of
            the checkpoint does not see them. 0: all of them calibrate, though the checkpoint was chosen on them.
    """

    follows: ClassVar[bool] = True

    @checked
    def __init__(self, *, levels: Levels = LEVELS, rate: PositiveFloat = 0.005, share: Fraction = 0.0) -> None:
        super().__init__(share)
        self.levels = tuple(levels)
        self.rate = rate

    def scores(
        self, forecast: Forecast, truth: Float[Tensor, "batch horizon targets"], scale: Scale
    ) -> Float[Tensor, "batch kinds horizon targets"]:
        """The absolute error."""
        return absolute_error(forecast, truth, scale)

    def calibrated(self, table: ScoreTable) -> "Following":
        """See the base class."""
        return Following(self, table)

    def band(self, table: ScoreTable, forecast: Forecast, scale: Scale) -> Forecast:
        """The band before any truth is known."""
        own = torch.tensor(self.levels, dtype=torch.float64).reshape(-1, 1, 1)
        return self.band_at(table, forecast, scale, own.expand(-1, *table.values.shape[2:]).to(table.values.device))

    def band_at(
        self,
        table: ScoreTable,
        forecast: Forecast,
        scale: Scale,
        reached: Float[Tensor, "*origins levels leads targets"],
    ) -> Forecast:
        """The band when the levels have moved away from the nominal ones.

        Args:
            table: The scores of the calibration windows.
            forecast: The model's, in the data's unit.
            scale: Of the targets, or of those of each window, in the data's unit.
            reached: The present value of each of `levels`, 1 - a_t.
        """
        mean, largest = forecast.mean.double(), len(table.values)
        nominal = torch.tensor(self.levels, dtype=torch.float64, device=reached.device).reshape(-1, 1, 1)
        moved = (reached - nominal).movedim(-3, 0)

        scores = torch.cat([torch.zeros_like(table.values[:1, 0]), table.values[:, 0]])
        most = _largest(scores)

        def width(level: float) -> Tensor:
            at = level + _between(moved, self.levels, level)
            place = ((at * (largest + 1) - 1e-9).ceil()).long().clamp(min=0).minimum(most)
            found = scores.gather(0, place.reshape(-1, *scores.shape[1:])).reshape(place.shape)
            return found.where(scores[table.place(level)].isfinite(), torch.inf)

        def inverse(levels: Sequence[float]) -> Tensor | None:
            if any(abs(2 * level - 1) > table.most + 1e-9 for level in levels):
                return None
            sides = [(1 if level > 0.5 else -1) * width(abs(2 * level - 1)) for level in levels]
            return torch.stack([mean + side * scale for side in sides])

        return Forecast(mean, inverse=inverse, reach=table.most)


def _between(values: Tensor, levels: Sequence[float], level: float) -> Tensor:
    """Values at a level, one for each of `levels` along the first axis: linear between, constant beyond, 0 at 0."""
    above = next((place for place, other in enumerate(levels) if other >= level - 1e-9), None)
    if above is None:
        return values[-1]
    below, first = (0.0, torch.zeros_like(values[0])) if not above else (levels[above - 1], values[above - 1])
    return first.lerp(values[above], (level - below) / (levels[above] - below))


def _largest(scores: Float[Tensor, "ranks leads targets"]) -> Int[Tensor, "leads targets"]:
    """Place of the largest score that is known, at each lead and target; of the first one where none is."""
    return (scores.isfinite().sum(dim=0) - 1).clamp(min=0)


class Following(Calibrated):
    """An adaptive calibration at work.

    Args:
        calibration: Whose band it is.
        table: The scores of the calibration windows.
    """

    calibration: Adaptive

    def __init__(self, calibration: Adaptive, table: ScoreTable) -> None:
        super().__init__(calibration, table)
        self._scores = torch.cat([torch.zeros_like(table.values[:1, 0]), table.values[:, 0]])
        self._most = _largest(self._scores)
        self._nominal = torch.tensor(calibration.levels, dtype=torch.float64).reshape(-1, 1, 1)
        self.restart()

    def restart(self) -> None:
        """Begins at the nominal levels."""
        leads, targets = self.table.values.shape[2:]
        self.reached = self._nominal.repeat(1, leads, targets)
        # As origins ascend, at most as many windows as there are leads wait for their truths: a ring holds them.
        self._waiting = torch.zeros(leads + 1, len(self._nominal), leads, targets, dtype=torch.float64)
        self._origins = torch.zeros(leads + 1, dtype=torch.int64)
        self._known = torch.zeros(leads, dtype=torch.int64)
        self._count = 0
        self._last: tuple[int, int] | None = None

    def _band(self, table: ScoreTable, forecast: Forecast, scale: Scale) -> Forecast:
        reached = self.reached[:, : table.values.shape[2]].to(table.values.device)
        return self.calibration.band_at(table, forecast, scale, reached)

    def follow(
        self,
        forecast: Forecast,
        scale: Scale,
        truth: Float[Tensor, "batch horizon targets"],
        *,
        observed: Bool[Tensor, "batch horizon targets"] | None,
        origin: Int[Tensor, " batch"],
        item: Int[Tensor, " batch"],
    ) -> Forecast:
        """See the base class."""
        scores = self.calibration.scores(forecast, truth, scale)[:, 0].cpu()
        if observed is not None:
            scores = scores.where(observed.cpu(), torch.nan)
        reached = torch.stack(
            [self._step(*window) for window in zip(scores, origin.tolist(), item.tolist(), strict=True)]
        )
        device = forecast.mean.device
        return self.calibration.band_at(self.table.to(device), forecast, scale, reached.to(device))

    def _step(self, score: Float[Tensor, "leads targets"], origin: int, item: int) -> Tensor:
        """The levels that a window is forecast with; its hits and misses wait until they are known."""
        if self._last is not None and (item != self._last[0] or origin <= self._last[1]):
            self.restart()
        self._last = (item, origin)
        self._learn(origin)
        used = self.reached.clone()
        # A level is a share of the scores: the band holds what does not exceed the score at it.
        ranks = len(self.table.values)
        ends = self._scores.gather(0, (used * (ranks + 1) - 1e-9).ceil().long().clamp(min=0).minimum(self._most))
        missed = (score > ends).double() - (1 - self._nominal)
        place = self._count % len(self._origins)
        self._waiting[place], self._origins[place] = missed.where(~score.isnan(), 0.0), origin
        self._count += 1
        return used

    def _learn(self, now: int) -> None:
        """Moves the level of each lead after the windows whose truth at that lead is known by now."""
        ahead = torch.arange(1, len(self._known) + 1)
        while self._count:
            place = self._known.clamp(max=self._count - 1) % len(self._origins)
            due = ((self._known < self._count) & (self._origins[place] + ahead <= now)).nonzero().squeeze(1)
            if not len(due):
                return
            # Beyond 0 and 1 it would wind up, and the band would not narrow for long after errors are small again.
            moved = self.reached[:, due] + self.calibration.rate * self._waiting[place[due], :, due].transpose(0, 1)
            self.reached[:, due] = moved.clamp(0, 1)
            self._known[due] += 1

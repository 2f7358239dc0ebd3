"""How often bands hold the truth, how wide they are, and how good the whole distribution is."""

from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torchmetrics import Metric

from recast.options import LEVELS
from recast.types import Forecast

BANDS = (0.5, 0.8, 0.9, 0.95)
"""Levels of the central intervals that are scored."""
CUTS = 40
GRID = [number / CUTS for number in range(1, CUTS)]
"""Levels of the quantiles that everything is computed from."""
DECILES = [CUTS // 10 * number - 1 for number in range(1, 10)]
"""Their places."""


class BandScores(Metric):
    """Scores of the quantiles of forecasts at 1/40, 2/40, ... 39/40, for each lead and target, in float64.

        coverage, width  of the central intervals of 50, 80, 90 and 95 %, ends included
        pinball          mean loss at 5, 10, 25, 50, 75, 90 and 95 %, as `Pinball`
        crps             2 sum of the 39 pinball losses / 40: the continuous ranked probability score by the trapezoidal
                         rule (Gneiting & Raftery 2007, JASA 102, section 6.2), the same for distributions, samples,
                         quantiles and calibrated bands
        pit              share of truths in each tenth of the forecast distribution (probability integral transform;
                         Dawid 1984, JRSS A 147), all 0.1 where it is calibrated; and the largest difference of its sums
                         from 0.1, 0.2 ... 0.9

    Quantiles beyond the outermost that a forecast knows are the outermost for pinball and crps; a band that reaches
    there is left out (NaN). So it is at a lead and target where ends are infinite, since too few truths calibrated:
    coverage and width over all are those of the others. Sums over windows, over observed truths only, however they are
    divided among processes.

    Args:
        horizon: Number of leads.
        targets: Number of targets.
    """

    full_state_update = False

    counts: Tensor
    covered: Tensor
    width: Tensor
    loss: Tensor
    pit: Tensor

    def __init__(self, *, horizon: int, targets: int) -> None:
        super().__init__()
        shape = (horizon, targets)
        for name, leading in (("covered", len(BANDS)), ("width", len(BANDS)), ("loss", len(GRID)), ("pit", 10)):
            self.add_state(name, torch.zeros(leading, *shape, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("counts", torch.zeros(shape, dtype=torch.int64), dist_reduce_fx="sum")

    def update(
        self,
        forecast: Forecast,
        truth: Float[Tensor, "batch horizon targets"],
        mask: Bool[Tensor, "batch horizon targets"] | None = None,
    ) -> None:
        """Adds the windows of one batch.

        Args:
            forecast: What was forecast, in the data's unit, with quantiles, samples or an inverse of its distribution.
            truth: What was observed, in the data's unit; any value, or NaN, where nothing was.
            mask: True where something was observed; None: everywhere.

        Raises:
            ValueError: if the forecast is a point.
        """
        widest = forecast.widest
        outside = 0.5 if widest is None else (1 - widest) / 2
        levels = [min(max(level, outside), 1 - outside) for level in GRID]
        found = forecast.quantiles_at(levels)
        if widest is None or found is None:
            raise ValueError("BandScores: the forecast is a point without quantiles or samples")
        cuts, true = found.double().clone(), truth.double()
        unknown = cuts.isinf()
        middle = len(GRID) // 2
        cuts[middle] = cuts[middle].where(~unknown[middle], forecast.mean.double())
        for step in range(1, middle + 1):
            for place, inner in ((middle - step, middle - step + 1), (middle + step, middle + step - 1)):
                cuts[place] = cuts[place].where(~unknown[place], cuts[inner])
        seen = torch.ones_like(true, dtype=torch.bool) if mask is None else mask

        def summed(values: Tensor) -> Tensor:
            return values.double().where(seen, 0.0).sum(dim=-3)

        for place, level in enumerate(BANDS):
            below = round((1 - level) / 2 * CUTS) - 1
            low, high = cuts[below], cuts[len(GRID) - 1 - below]
            ends = (unknown[below] | unknown[len(GRID) - 1 - below]).any(dim=0) | (widest < level - 1e-9)
            self.covered[place] += summed((low <= true) & (true <= high)).where(~ends, torch.nan)
            self.width[place] += summed(high - low).where(~ends, torch.nan)
        above = true - cuts
        level = torch.tensor(GRID, dtype=torch.float64, device=true.device).reshape(-1, 1, 1, 1)
        self.loss += summed(torch.maximum(level * above, (level - 1) * above))
        tenth = (above[DECILES] > 0).sum(dim=0)
        self.pit += torch.stack([summed(tenth == place) for place in range(10)])
        self.counts += seen.sum(dim=0)

    def compute(self) -> dict[str, Any]:
        """The scores over all windows, and for each lead and each target; NaN where none was counted."""
        losses = [GRID.index(level) for level in LEVELS]
        shares = self._mean(self.pit)
        sums = shares.cumsum(dim=0)[:-1] - torch.arange(1, 10, device=shares.device) / 10
        return {
            "coverage": _by_band(self._mean(self.covered)),
            "width": _by_band(self._mean(self.width)),
            "pinball": self._mean(self.loss)[losses].mean().item(),
            "crps": (2 / CUTS * self._mean(self.loss).sum()).item(),
            "pit": shares.tolist(),
            "pit_deviation": sums.abs().max().item(),
            "per_horizon": self._along(1),
            "per_target": self._along(0),
        }

    def _along(self, over: int) -> dict[str, Any]:
        return {
            "coverage": _by_band(self._mean(self.covered, over)),
            "width": _by_band(self._mean(self.width, over)),
            "crps": (2 / CUTS * self._mean(self.loss, over).sum(dim=0)).tolist(),
        }

    def _mean(self, sums: Tensor, over: int | tuple[int, ...] = (0, 1)) -> Tensor:
        places = over + 1 if isinstance(over, int) else tuple(place + 1 for place in over)
        counts = self.counts.expand_as(sums).where(~sums.isnan(), 0)
        return sums.where(~sums.isnan(), 0.0).sum(dim=places) / counts.sum(dim=places)


def _by_band(values: Tensor) -> dict[str, Any]:
    return {f"{100 * level:g}": value.tolist() for level, value in zip(BANDS, values, strict=True)}

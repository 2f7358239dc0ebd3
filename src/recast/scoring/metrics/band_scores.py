"""How often bands hold the truth, how wide they are, and how good the whole distribution is."""

from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Int64
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from recast.options import LEVELS
from recast.types import Forecast

BANDS = (0.5, 0.8, 0.9, 0.95)
"""Levels of the central intervals that are scored."""
CUTS = 40
GRID = [number / CUTS for number in range(1, CUTS)]
"""Levels of the quantiles that everything is computed from."""
DECILES = [CUTS // 10 * number - 1 for number in range(1, 10)]
"""Their places."""


class Hits(NamedTuple):
    """How many truths of each window lie within bands. Sums over windows are those of the coverage.

    truths: those that were observed; known: those of them where both ends of the band are; inside: those of these
    between the ends.
    """

    truths: Int64[np.ndarray, " windows"]
    known: Int64[np.ndarray, "windows bands"]
    inside: Int64[np.ndarray, "windows bands"]


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
    there is left out. So it is where an end is infinite, since too few truths calibrated: coverage and width are those
    of the others, NaN without any. Sums over windows, over observed truths only, however they are divided among
    processes; what lies within the bands is kept for each window too (`Hits`).

    Args:
        horizon: Number of leads.
        targets: Number of targets.
    """

    full_state_update = False

    counts: Tensor
    known: Tensor
    covered: Tensor
    width: Tensor
    loss: Tensor
    pit: Tensor
    windows: list[Int64[Tensor, "batch columns"]]

    def __init__(self, *, horizon: int, targets: int) -> None:
        super().__init__()
        shape = (horizon, targets)
        for name, leading in (("covered", len(BANDS)), ("width", len(BANDS)), ("loss", len(GRID)), ("pit", 10)):
            self.add_state(name, torch.zeros(leading, *shape, dtype=torch.float64), dist_reduce_fx="sum")
        for name, leading in (("counts", ()), ("known", (len(BANDS),))):
            self.add_state(name, torch.zeros(*leading, *shape, dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("windows", [], dist_reduce_fx="cat")
        self.reset()

    def reset(self) -> None:
        """Discards all windows."""
        super().reset()
        # So that a process without windows has a table of as many columns to be gathered.
        self.windows.append(torch.empty(0, 2 + 2 * len(BANDS), dtype=torch.int64, device=self.device))

    def update(
        self,
        start: Int[Tensor, " batch"],
        forecast: Forecast,
        truth: Float[Tensor, "batch horizon targets"],
        mask: Bool[Tensor, "batch horizon targets"] | None = None,
    ) -> None:
        """Adds the windows of one batch.

        Args:
            start: First row of each window.
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

        known, inside = [], []
        for place, level in enumerate(BANDS):
            below = round((1 - level) / 2 * CUTS) - 1
            low, high = cuts[below], cuts[len(GRID) - 1 - below]
            ends = seen & ~unknown[below] & ~unknown[len(GRID) - 1 - below] & (widest > level - 1e-9)
            held = ends & (low <= true) & (true <= high)
            self.covered[place] += summed(held)
            self.width[place] += summed((high - low).where(ends, 0.0))
            self.known[place] += ends.sum(dim=0)
            known.append(ends.sum(dim=(1, 2)))
            inside.append(held.sum(dim=(1, 2)))
        self.windows.append(torch.stack([start, seen.sum(dim=(1, 2)), *known, *inside], dim=1))
        above = true - cuts
        level = torch.tensor(GRID, dtype=torch.float64, device=true.device).reshape(-1, 1, 1, 1)
        self.loss += summed(torch.maximum(level * above, (level - 1) * above))
        tenth = (above[DECILES] > 0).sum(dim=0)
        self.pit += torch.stack([summed(tenth == place) for place in range(10)])
        self.counts += seen.sum(dim=0)

    def compute(self) -> dict[str, Any]:
        """The scores over all windows, and for each lead and each target; NaN where none was counted."""
        losses = [GRID.index(level) for level in LEVELS]
        shares = _mean(self.pit, self.counts)
        sums = shares.cumsum(dim=0)[:-1] - torch.arange(1, 10, device=shares.device) / 10
        return {
            "coverage": _by_band(_mean(self.covered, self.known)),
            "width": _by_band(_mean(self.width, self.known)),
            "pinball": _mean(self.loss, self.counts)[losses].mean().item(),
            "crps": (2 / CUTS * _mean(self.loss, self.counts).sum()).item(),
            "pit": shares.tolist(),
            "pit_deviation": sums.abs().max().item(),
            "per_horizon": self._along(1),
            "per_target": self._along(0),
        }

    def hits(self, starts: Int[np.ndarray, " windows"]) -> Hits:
        """What lies within the bands of each window; nothing for a window that was not seen.

        With several processes it gathers their windows, so that all must call it.

        Args:
            starts: First row of each window, ascending; those that were seen are among them.
        """
        # torchmetrics gathers only around `compute`; states already gathered by the caller are unchanged.
        gather = not self._is_synced
        with self.sync_context(
            dist_sync_fn=self.dist_sync_fn,
            should_sync=gather and self._to_sync,
            should_unsync=gather and self._should_unsync,
        ):
            seen = dim_zero_cat(self.windows).cpu().numpy()
        found = np.zeros((len(starts), seen.shape[1] - 1), dtype=np.int64)
        found[np.searchsorted(starts, seen[:, 0])] = seen[:, 1:]
        truths, known, inside = np.split(found, (1, 1 + len(BANDS)), axis=1)
        return Hits(truths[:, 0], known, inside)

    def _along(self, over: int) -> dict[str, Any]:
        return {
            "coverage": _by_band(_mean(self.covered, self.known, over)),
            "width": _by_band(_mean(self.width, self.known, over)),
            "crps": (2 / CUTS * _mean(self.loss, self.counts, over).sum(dim=0)).tolist(),
        }


def _mean(
    sums: Float[Tensor, "levels horizon targets"],
    counts: Int64[Tensor, "*levels horizon targets"],
    over: int | tuple[int, ...] = (0, 1),
) -> Tensor:
    places = over + 1 if isinstance(over, int) else tuple(place + 1 for place in over)
    return sums.sum(dim=places) / counts.expand_as(sums).sum(dim=places)


def _by_band(values: Tensor) -> dict[str, Any]:
    return {f"{100 * level:g}": value.tolist() for level, value in zip(BANDS, values, strict=True)}

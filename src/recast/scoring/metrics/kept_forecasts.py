"""The forecasts of many windows, kept to be scored later."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from recast.scoring.metrics.band_scores import GRID
from recast.types import SAME_LEVEL, Forecast

POINT, OWN, BAND = "mean", "quantiles", "band"


class KeptForecasts:
    """Point forecasts of windows in float64, and the quantiles that bands are scored by in float32, in the data's unit.

    The quantiles are those at 1/40, 2/40, ... 39/40, as far as a forecast knows them; see `BandScores`.
    """

    def __init__(self) -> None:
        self._starts: list[np.ndarray] = []
        self._parts: dict[str, list[np.ndarray]] = {}
        self._levels: dict[str, tuple[float, ...]] = {}

    def update(self, start: Int[Tensor, " batch"], forecast: Forecast, band: Forecast | None = None) -> None:
        """Adds the windows of one batch.

        Args:
            start: First row of each window.
            forecast: Their forecast.
            band: The same with its calibrated band; None: it has none.
        """
        self._starts.append(start.cpu().numpy())
        self._parts.setdefault(POINT, []).append(forecast.mean.double().cpu().numpy())
        for name, found in ((OWN, forecast), (BAND, band)):
            if found is None or found.widest is None:
                continue
            outside = (1 - found.widest) / 2 - SAME_LEVEL
            self._levels[name] = tuple(level for level in GRID if outside <= level <= 1 - outside)
            quantiles = found.quantiles_at(self._levels[name])
            if quantiles is not None:
                # Windows first, so that batches of them can be joined.
                self._parts.setdefault(name, []).append(quantiles.movedim(0, 1).float().cpu().numpy())

    def __len__(self) -> int:
        return sum(map(len, self._starts))

    @property
    def has_band(self) -> bool:
        """Whether there are calibrated bands."""
        return BAND in self._parts

    def arrays(self) -> dict[str, np.ndarray]:
        """Everything in arrays, by name; the inverse of `of_arrays`. Windows ascend."""
        starts = np.concatenate(self._starts) if self._starts else np.zeros(0, dtype=np.int64)
        order = np.argsort(starts, kind="stable")
        arrays = {"start": starts[order]}
        arrays |= {name: np.concatenate(parts)[order] for name, parts in self._parts.items()}
        return arrays | {f"{name}_levels": np.asarray(levels) for name, levels in self._levels.items()}

    @classmethod
    def of_arrays(cls, several: Sequence[Mapping[str, np.ndarray]]) -> "KeptForecasts":
        """The forecasts of several runs as one.

        Args:
            several: What `arrays` gave for each. What not all of them have is left out.

        Raises:
            ValueError: if some forecast the same window, or their quantiles have other levels.
        """
        kept = cls()
        for arrays in several:
            kept._starts.append(arrays["start"])
        starts = np.concatenate(kept._starts)
        if len(np.unique(starts)) < len(starts):
            raise ValueError("a window was forecast twice")
        for name in (POINT, OWN, BAND):
            if not all(name in arrays for arrays in several):
                continue
            kept._parts[name] = [arrays[name] for arrays in several]
            if name != POINT:
                levels = {tuple(arrays[f"{name}_levels"].tolist()) for arrays in several}
                if len(levels) > 1:
                    raise ValueError(f"the levels of their {name} differ")
                (kept._levels[name],) = levels
        return kept

    def batches(self, size: int) -> Iterator[tuple[Int[Tensor, " batch"], Forecast, Forecast | None]]:
        """What was given to `update`, in ascending order of windows.

        Args:
            size: Windows at a time.
        """
        arrays = self.arrays()
        for first in range(0, len(arrays["start"]), size):
            some = slice(first, first + size)
            mean = torch.from_numpy(arrays[POINT][some])
            own, band = (self._with_quantiles(mean, arrays, name, some) for name in (OWN, BAND))
            yield torch.from_numpy(arrays["start"][some]), own or Forecast(mean), band

    def at(self, starts: Int[Tensor, " windows"]) -> Forecast:
        """The forecasts of some of the windows, with their calibrated bands where there are some.

        Args:
            starts: First row of each; all of them were forecast.
        """
        arrays = self.arrays()
        places = np.searchsorted(arrays["start"], starts.numpy())
        mean = torch.from_numpy(arrays[POINT][places])
        return self._with_quantiles(mean, arrays, BAND if self.has_band else OWN, places) or Forecast(mean)

    def _with_quantiles(
        self,
        mean: Float[Tensor, "batch horizon targets"],
        arrays: Mapping[str, np.ndarray],
        name: str,
        some: slice | np.ndarray,
    ) -> Forecast | None:
        if name not in arrays:
            return None
        quantiles = torch.from_numpy(arrays[name][some]).double().movedim(1, 0)
        return Forecast(mean, quantiles=quantiles, levels=self._levels[name])

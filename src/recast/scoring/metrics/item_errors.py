"""The scores of each item of a panel, and how they are spread over the items."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.distributed import all_reduce, is_available, is_initialized

from recast.scoring.metrics.description import Description
from recast.scoring.metrics.lead_metric import LeadMetric
from recast.types import Forecast, ItemSizes


class ItemErrors:
    """Accumulates each metric over the windows of each item, all leads and targets, in float64.

    Args:
        metrics: What is measured, by name; they are left as they are.
    """

    def __init__(self, metrics: Mapping[str, LeadMetric]) -> None:
        self._metrics = dict(metrics)
        self.reset()

    def reset(self) -> None:
        """Discards all windows."""
        self._sums: Float[Tensor, "2 metrics items"] | None = None

    def expect(self, items: int, device: torch.device) -> Tensor:
        """Sets the number of items, which a process without windows would not know; returns the accumulated sums."""
        if self._sums is None:
            self._sums = torch.zeros(2, len(self._metrics), items, dtype=torch.float64, device=device)
        return self._sums

    def update(
        self,
        item: Int[Tensor, " batch"],
        forecast: Forecast,
        truth: Float[Tensor, "batch horizon targets"],
        mask: Bool[Tensor, "batch horizon targets"] | None,
        sizes: ItemSizes,
        *,
        band: Forecast | None = None,
    ) -> None:
        """Adds the windows of one batch.

        Args:
            item: The item of each window.
            forecast: What was forecast, in the data's unit.
            truth: What was observed, in the data's unit.
            mask: True where it was; None: everywhere.
            sizes: What scaled metrics divide by, for all items.
            band: The forecast with its calibrated band; None: it has none.
        """
        sums = self.expect(len(sizes.scale), truth.device)
        own = sizes.of(item)
        for place, metric in enumerate(self._metrics.values()):
            scored = metric.scored(forecast, forecast if band is None else band)
            values, counts = metric.counted(scored, truth, mask, own)
            counts = torch.ones_like(values) if counts is None else counts.to(values.dtype)
            for own_sums, part in zip(sums[:, place], (values, counts), strict=True):
                own_sums.index_add_(0, item, part.sum(dim=(1, 2)))

    def gather(self, device: torch.device) -> None:
        """Adds the windows of all processes on each of them; all must call it.

        Args:
            device: A device on which the processes can communicate.
        """
        if self._sums is not None and is_available() and is_initialized():
            self._sums = self._sums.to(device)
            all_reduce(self._sums)

    def values(self) -> dict[str, Float[np.ndarray, " items"]]:
        """The value of each metric for each item; NaN where nothing was scored. Empty where no window was seen."""
        if self._sums is None:
            return {}
        total, count = self._sums.cpu()
        means = (total / count).where(count > 0, torch.nan)
        return {
            name: metric.finish(mean).numpy() for (name, metric), mean in zip(self._metrics.items(), means, strict=True)
        }


def spread(values: Float[np.ndarray, " items"], ids: tuple[str, ...], description: Description) -> dict[str, Any]:
    """Mean, quartiles and the worst of the scores of items; empty where no item has one.

    Args:
        values: The score of each item, NaN: none.
        ids: Their names.
        description: What the values mean: the worst is the furthest from perfect.
    """
    scored = np.flatnonzero(~np.isnan(values))
    if not len(scored):
        return {}
    found = values[scored]
    lower, median, upper = np.quantile(found, [0.25, 0.5, 0.75]).tolist()
    worst = scored[np.abs(found - description.perfect).argmax()]
    return {
        "items": len(scored),
        "mean": float(found.mean()),
        "lower_quartile": lower,
        "median": median,
        "upper_quartile": upper,
        "worst": float(values[worst]),
        "worst_item": ids[worst],
    }

"""Location and scale of the targets of each window, where they are not the same for all."""

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from recast.data.local_scaling import LocalScaling
from recast.data.panel import Panel
from recast.types import Scaling


def of_context(
    values: Float[Tensor, "batch context targets"], observed: Bool[Tensor, "batch context targets"], local: LocalScaling
) -> Scaling:
    """Location and scale by the context of each window.

    A target that was not observed in the context has the location 0 and the scale 1.

    Args:
        values: The targets in the data's unit, float64; any value where nothing was observed.
        observed: Where something was.
        local: The statistic.
    """
    count = observed.sum(dim=1, keepdim=True)

    def mean(of: Tensor) -> Tensor:
        return of.where(observed, 0.0).sum(dim=1, keepdim=True) / count.clamp(min=1)

    if local.statistic == "minmax":
        smallest, largest = (
            extreme(values.where(observed, beyond), dim=1, keepdim=True)
            for extreme, beyond in ((torch.amin, torch.inf), (torch.amax, -torch.inf))
        )
        scale = (largest - smallest) / (local.high - local.low)
        location = smallest - local.low * scale
    else:
        location = mean(values)
        if local.statistic == "last":
            steps = torch.arange(1, values.shape[1] + 1, device=values.device)[:, None]
            location = values.gather(1, (steps * observed).argmax(dim=1, keepdim=True))
        deviation = values - location
        scale = mean(deviation.square()).sqrt() if local.statistic == "standard" else mean(deviation.abs())
    least = local.smallest * mean(values.abs())
    scale = torch.maximum(scale, least.where(least > 0, 1.0))
    return Scaling(location.where(count > 0, 0.0), scale.where(count > 0, 1.0))


@dataclass(frozen=True, eq=False)
class LocalScales:
    """How the targets of a storage are scaled: stored = (value - base) / unit, then by window where that is due.

    Args:
        local: How, see there.
        base: Of each item: its location; of an item without a fixed one its first observed value, so that float32 keeps
            small changes of large numbers. Float64, in the data's unit, shape (items, targets).
        unit: Of each item: its scale; 1 without a fixed one.
        fixed: Whether the item has its own numbers, shape (items,).
    """

    local: LocalScaling
    base: Float[Tensor, "items targets"]
    unit: Float[Tensor, "items targets"]
    fixed: Bool[Tensor, " items"]

    @cached_property
    def _all_fixed(self) -> bool:
        return bool(self.fixed.all())

    @classmethod
    def of(cls, panel: Panel, targets: int, local: LocalScaling) -> "LocalScales":
        """Those of the items of a panel, by their names.

        Args:
            panel: The panel.
            targets: Number of its targets, its first columns.
            local: How they are scaled.
        """
        places = {name: place for place, name in enumerate(local.ids)}
        base, unit = np.zeros((len(panel.ids), targets)), np.ones((len(panel.ids), targets))
        fixed = np.array([name in places for name in panel.ids])
        bounds = panel.item_bounds
        for item, name in enumerate(panel.ids):
            if fixed[item]:
                base[item], unit[item] = local.offset[places[name]], local.scale[places[name]]
            else:
                rows = panel.values[bounds[item] : bounds[item + 1], :targets]
                for target, column in enumerate(rows.T):
                    seen = ~np.isnan(column)
                    base[item, target] = column[seen.argmax()] if seen.any() else 0.0
        return cls(local, torch.from_numpy(base), torch.from_numpy(unit), torch.from_numpy(fixed))

    def on(self, device: torch.device) -> "LocalScales":
        """The same on a device."""
        return replace(self, base=self.base.to(device), unit=self.unit.to(device), fixed=self.fixed.to(device))

    def store(self, values: Float[np.ndarray, "rows targets"], panel: Panel) -> None:
        """Brings the targets of a panel, in the data's unit, to the form of the storage, in place."""
        base, unit, bounds = self.base.numpy(), self.unit.numpy(), panel.item_bounds
        for item, (first, stop) in enumerate(pairwise(bounds.tolist())):
            values[first:stop] -= base[item]
            values[first:stop] /= unit[item]

    def apply(
        self,
        rows: Float[Tensor, "batch time targets"],
        item: Int[Tensor, " batch"],
        context: int,
        observed: Bool[Tensor, "batch time targets"] | None,
    ) -> tuple[Float[Tensor, "batch time targets"], Scaling]:
        """The scaled targets of windows, and their location and scale.

        Args:
            rows: The targets as they are stored.
            item: The item of each window.
            context: Steps before the horizon. [steps]
            observed: Where they were observed; None: everywhere.
        """
        base, unit = self.base[item].unsqueeze(1), self.unit[item].unsqueeze(1)
        if self._all_fixed:
            return rows, Scaling(base, unit)
        values = rows.double() * unit + base
        seen = torch.ones_like(rows, dtype=torch.bool) if observed is None else observed
        own = of_context(values[:, :context], seen[:, :context], self.local)
        fixed = self.fixed[item][:, None, None]
        scaling = Scaling(base.where(fixed, own.location), unit.where(fixed, own.scale))
        scaled = ((values - scaling.location) / scaling.scale).to(rows.dtype)
        return (scaled if observed is None else scaled.where(observed, 0.0)), scaling

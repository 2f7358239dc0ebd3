"""The words that all floors share: batch, forecast, progress."""

from bisect import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

SAME_LEVEL = 1e-9
RANKING = "ranking/validation"
"""Stands for the validation curve of the metric that ranks, whichever that is.

Of a head with a distribution it stands for that of the first metric that scores all of it, such as the CRPS, unless it
mixes targets of different units.
"""


class Share(NamedTuple):
    """What one of several processes has of a training batch.

    total: items in the batch of all processes; first: place of this process's first item in it, those that follow are
    its others; weight: its number of items over the mean number of a process. The mean over processes of weighted
    means over their items is the mean over all items.
    """

    total: int
    first: int
    weight: float


class Observed(NamedTuple):
    """Where the values of a batch were observed; the values elsewhere are zeros that mean nothing."""

    history: Bool[Tensor, "batch context targets"]
    past: Bool[Tensor, "batch context past"]
    known: Bool[Tensor, "batch time known"]
    target: Bool[Tensor, "batch horizon targets"]


class Categories(NamedTuple):
    """The levels of the categories of a batch, as indices; one more than the last means "not observed".

    target: those of the targets, over context and horizon; None where no target is a category.
    """

    past: Int[Tensor, "batch context past"]
    known: Int[Tensor, "batch time known"]
    static: Int[Tensor, "batch static"]
    target: Int[Tensor, "batch time targets"] | None = None


class ItemSizes:
    """What scaled metrics divide by, for each item of a panel.

    Args:
        naive_error: Mean absolute error of the (seasonal) naive forecast of each target, in its unit; NaN: none.
        scale: The divisor of its scaling; NaN: none.
    """

    def __init__(
        self, naive_error: Float64[Tensor, "*items targets"], scale: Float64[Tensor, "*items targets"]
    ) -> None:
        self.naive_error = naive_error
        self.scale = scale

    def of(self, item: Int[Tensor, " batch"]) -> "ItemSizes":
        """Those of the item of each window, on the device of the items: each of shape (batch, 1, targets)."""
        place = item.to(self.scale.device)
        return ItemSizes(*(sizes[place].unsqueeze(1).to(item.device) for sizes in (self.naive_error, self.scale)))


class Truths:
    """The targets of a panel as its source has them: float64, in the data's unit, NaN where nothing was observed.

    Metrics compare with these. A batch holds the same numbers scaled, in the precision of the storage, which Lightning
    converts to that of the trainer; float32 cannot hold 1,600,000,002. So a batch carries this object, which no
    conversion or transfer of tensors reaches, and what is needed is looked up in evaluation alone.

    Args:
        values: The targets of each row.
        sizes: What scaled metrics divide by, item by item; None: the numbers of the data's description.
    """

    def __init__(self, values: Float64[Tensor, "rows targets"], sizes: ItemSizes | None = None) -> None:
        self._values = values
        self.sizes = sizes

    def on(self, device: torch.device) -> "Truths":
        """The same on a device."""
        return Truths(self._values.to(device), self.sizes)

    def after(
        self, start: Int[Tensor, " batch"], context: int, horizon: int
    ) -> Float64[Tensor, "batch horizon targets"]:
        """The truth of windows, on the device of their starts.

        Args:
            start: First row of each window.
            context: Rows of a window before the truth. [steps]
            horizon: Rows of the truth. [steps]
        """
        steps = torch.arange(context, context + horizon, device=self._values.device)
        return self._values[start.to(self._values.device).unsqueeze(1) + steps].to(start.device)


class Scaling:
    """Location and scale of the targets of each window, in the data's unit: scaled = (value - location) / scale.

    Float64, which no conversion of a batch to the precision of a trainer reaches, as with `Truths`.

    Args:
        location: Subtracted from each target of a window.
        scale: Divides it after that; positive.
    """

    def __init__(self, location: Float64[Tensor, "batch 1 targets"], scale: Float64[Tensor, "batch 1 targets"]) -> None:
        self.location = location
        self.scale = scale

    def take(self, which: Int[Tensor, " chosen"]) -> "Scaling":
        """That of some of the windows; repeated indices repeat them."""
        which = which.to(self.location.device)
        return Scaling(self.location[which], self.scale[which])

    @property
    def level(self) -> Float64[Tensor, "batch targets"]:
        """log(1 + |location| / scale): how large the values of a window are beside their changes."""
        return (self.location.abs() / self.scale).log1p().squeeze(1)


class Batch(NamedTuple):
    """Windows of a scaled panel, or whole sequences of it side by side.

    The origin of a window is its last context step. A sequence has no origin: it is all context, padded with zeros
    behind its end. A window whose gaps are filled has no horizon: its history lacks values, and its target has those of
    the same steps; `truth` is not for it.

    history: the targets up to the origin; past: the inputs observed up to it; known: the inputs known ahead, at the
    steps of the context and then of the horizon; static: one value for each window; target: the truth after the origin;
    start: the storage row of the first context step; item: the item of the panel; observed: masks, None where
    everything was observed; categories: None where there are none; lengths: the steps of each sequence, None where
    all have that of the context; label: what is to be predicted of the item, -1 if unknown; carried: whether the states
    at the end of the batch before belong to the row just before this context, None where each window stands alone;
    share: which windows of the batch of all processes they are, None for one process and in evaluation; origins: in
    training, the counts of context steps after which forecasts are made, ascending, the last is that of all; None:
    after all alone; truths: where the truth in the data's unit is looked up, None where it is not known; scaling: the
    window's own location and scale of the targets, None where those of the data's description hold for all; imputed:
    whether the history has what an imputation model makes of the context where a target was not observed.
    """

    history: Float[Tensor, "batch context targets"]
    past: Float[Tensor, "batch context past"]
    known: Float[Tensor, "batch time known"]
    static: Float[Tensor, "batch static"]
    target: Float[Tensor, "batch horizon targets"]
    start: Int[Tensor, " batch"]
    item: Int[Tensor, " batch"]
    observed: Observed | None = None
    categories: Categories | None = None
    lengths: Int[Tensor, " batch"] | None = None
    label: Int[Tensor, " batch"] | None = None
    carried: Bool[Tensor, " batch"] | None = None
    share: Share | None = None
    origins: tuple[int, ...] | None = None
    truths: Truths | None = None
    scaling: Scaling | None = None
    imputed: bool = False

    @classmethod
    def of(
        cls,
        history: Float[Tensor, "batch context targets"],
        target: Float[Tensor, "batch horizon targets"],
        past: Float[Tensor, "batch context past"] | None = None,
        known: Float[Tensor, "batch time known"] | None = None,
    ) -> "Batch":
        """Windows of one item from their numbers; what is not given is not there."""
        size, context, horizon = len(history), history.shape[1], target.shape[1]
        return cls(
            history=history,
            past=history.new_zeros(size, context, 0) if past is None else past,
            known=history.new_zeros(size, context + horizon, 0) if known is None else known,
            static=history.new_zeros(size, 0),
            target=target,
            start=torch.arange(size, device=history.device),
            item=torch.zeros(size, dtype=torch.int64, device=history.device),
        )

    @property
    def context(self) -> int:
        """Steps before the horizon."""
        return self.history.shape[1]

    @property
    def known_before(self) -> Float[Tensor, "batch context known"]:
        """The inputs known ahead at the steps of the context."""
        return self.known[:, : self.context]

    @property
    def known_ahead(self) -> Float[Tensor, "batch horizon known"]:
        """The inputs known ahead at the steps of the horizon."""
        return self.known[:, self.context :]

    @property
    def labels(self) -> Int[Tensor, " batch"]:
        """What is to be predicted of each item.

        Raises:
            ValueError: if nothing is.
        """
        if self.label is None:
            raise ValueError("a batch without labels")
        return self.label

    @property
    def truth(self) -> Float64[Tensor, "batch horizon targets"] | None:
        """The truth after the origin as the source has it, in the data's unit; None where it is not known."""
        return None if self.truths is None else self.truths.after(self.start, self.context, self.target.shape[1])

    @property
    def sizes(self) -> ItemSizes | None:
        """What scaled metrics divide by, for each window; None: the numbers of the data's description."""
        sizes = None if self.truths is None else self.truths.sizes
        return None if sizes is None else sizes.of(self.item)

    @property
    def target_observed(self) -> Bool[Tensor, "batch horizon targets"] | None:
        """Where the truth was observed; None where it was everywhere."""
        return None if self.observed is None else self.observed.target

    def to_precision(self, dtype: torch.dtype) -> "Batch":
        """The same with its numbers in another precision."""
        numbers = {name: getattr(self, name).to(dtype) for name in ("history", "past", "known", "static", "target")}
        return self._replace(**numbers)

    def take(self, which: Int[Tensor, " chosen"]) -> "Batch":
        """Some of its windows, each standing for itself."""

        def taken(part: Tensor | None) -> Tensor | None:
            return None if part is None else part[which]

        def group(parts: Any) -> Any:
            return None if parts is None else parts._make(map(taken, parts))

        singles = ("history", "past", "known", "static", "target", "start", "item", "lengths", "label")
        return Batch(
            **{name: taken(getattr(self, name)) for name in singles},  # pyright: ignore[reportArgumentType]
            observed=group(self.observed),
            categories=group(self.categories),
            truths=self.truths,
            scaling=None if self.scaling is None else self.scaling.take(which),
            imputed=self.imputed,
        )

    def affine(
        self, offset: Float[Tensor, " targets"], scale: Float[Tensor, " targets"]
    ) -> tuple[Float[Tensor, "*windows targets"], Float[Tensor, "*windows targets"]]:
        """Offset and scale of its targets: those of each window, shape (batch, 1, targets), where it has its own.

        Args:
            offset: That of the data's description.
            scale: The same.
        """
        if self.scaling is None:
            return offset, scale
        return self.scaling.location.to(offset.device), self.scaling.scale.to(scale.device)


class Forecast(NamedTuple):
    """A forecast: its mean, and whatever else is known of what may come.

    mean: the point forecast; samples: trajectories, equally probable; quantiles: at `levels`, which ascend and lie
    between 0 and 1; probabilities: that of each class, where the targets are categories; inverse: the quantiles at any
    levels, from the inverse of the distribution function of each lead, shape (levels, batch, horizon, targets), None
    for levels that it does not know; reach: the level of the widest central interval that it knows.
    """

    mean: Float[Tensor, "batch horizon targets"]
    samples: Float[Tensor, "samples batch horizon targets"] | None = None
    quantiles: Float[Tensor, "levels batch horizon targets"] | None = None
    levels: tuple[float, ...] = ()
    probabilities: Float[Tensor, "batch horizon targets classes"] | None = None
    inverse: Callable[[Sequence[float]], Tensor | None] | None = None
    reach: float = 1.0

    def values(self, change: Callable[[Tensor], Tensor]) -> "Forecast":
        """The same forecast with mean, samples and quantiles changed alike; `change` keeps their order."""
        inverse = self.inverse

        def changed(levels: Sequence[float]) -> Tensor | None:
            found = None if inverse is None else inverse(levels)
            return None if found is None else change(found)

        return self._replace(
            mean=change(self.mean),
            samples=None if self.samples is None else change(self.samples),
            quantiles=None if self.quantiles is None else change(self.quantiles),
            inverse=None if inverse is None else changed,
        )

    def in_unit(
        self, offset: Float[Tensor, "*windows targets"], scale: Float[Tensor, "*windows targets"]
    ) -> "Forecast":
        """A forecast of scaled values in the data's own unit.

        Args:
            offset: What was subtracted from each target, in its unit, see `Batch.affine`.
            scale: What each was divided by after that, in its unit; positive.
        """
        return self.values(lambda scaled: scaled * scale + offset)

    def quantiles_at(self, levels: Sequence[float]) -> Float[Tensor, "levels batch horizon targets"] | None:
        """The quantiles at any levels, as far as the forecast knows them; None where it does not.

        They are exact where the distribution function has an inverse. Else known quantiles are joined linearly; beyond
        the outermost level nothing is known. Without quantiles they are those of the m samples: that at p lies at rank
        p (m + 1), linear between ranks (Hyndman & Fan 1996, "Sample quantiles in statistical packages", The American
        Statistician 50, definition 6). A truth drawn like the samples falls into each of the m + 1 parts that they cut
        the axis into with equal probability, so that bands hold what they promise however few the samples; below rank 1
        and above rank m nothing is known.

        Args:
            levels: Probabilities between 0 and 1.
        """
        if self.inverse is not None:
            return self.inverse(levels)
        if self.quantiles is not None:
            return interpolated(self.quantiles, self.levels, levels)
        if self.samples is None:
            return None
        members = len(self.samples)
        ranks = [float(rank) for rank in range(1, members + 1)]
        return interpolated(self.samples.sort(dim=0).values, ranks, [level * (members + 1) for level in levels])

    @property
    def is_point(self) -> bool:
        """Whether it has nothing but a mean."""
        return self.samples is None and self.quantiles is None and self.inverse is None

    @property
    def widest(self) -> float | None:
        """The level of the widest central interval that the forecast knows; None where it knows none.

        1 where every narrower one is known.
        """
        if self.inverse is not None:
            return self.reach if self.reach > 0 else None
        if self.quantiles is not None:
            outside = max(self.levels[0], 1 - self.levels[-1])
        elif self.samples is not None:
            outside = 1 / (len(self.samples) + 1)
        else:
            return None
        return 1 - 2 * outside if outside < 0.5 else None

    def interval(self, level: float) -> tuple[Tensor, Tensor] | None:
        """Lower and upper end of the central interval that holds the truth with probability `level`.

        Each of shape (batch, horizon, targets): the quantiles at (1 - level)/2 and (1 + level)/2; None where the
        forecast does not know them.
        """
        ends = self.quantiles_at([(1 - level) / 2, 1 - (1 - level) / 2])
        return None if ends is None else (ends[0], ends[1])


def interpolated(
    values: Float[Tensor, "known ..."], known: Sequence[float], wanted: Sequence[float]
) -> Float[Tensor, "wanted ..."] | None:
    """Values at the places `wanted`, linear between the ascending `known` ones; None if one lies outside of them."""
    found = []
    for place in wanted:
        # (1 - 0.9)/2 is 0.05 but for the last digit: what is known but for rounding is known.
        near = [index for index, other in enumerate(known) if abs(other - place) < SAME_LEVEL]
        above = bisect(known, place)
        if near:
            found.append(values[near[0]])
        elif 0 < above < len(known):
            share = (place - known[above - 1]) / (known[above] - known[above - 1])
            found.append(values[above - 1].lerp(values[above], share))
        else:
            return None
    return torch.stack(found) if found else values[:0]


class Progress(NamedTuple):
    """How far training has come. Optimiser steps and epochs count from 0; the totals are what was planned."""

    step: int
    total_steps: int
    epoch: int
    total_epochs: int


@dataclass(frozen=True, eq=False)
class Origins:
    """A batch of forecast origins in the data's unit, as baselines see it (NumPy, float64).

    Args:
        context: Targets up to the origin, NaN where nothing was observed, shape (batch, context, targets).
        context_hours: Times of the context steps, hours since 1970-01-01 UTC, shape (batch, context).
        future_hours: Times of the steps to forecast, shape (batch, horizon).
        past: Inputs observed up to the origin, as numbers, NaN where nothing was observed, shape (batch, context,
            inputs); None: none.
        known: Inputs known ahead over context and horizon, alike, shape (batch, context + horizon, inputs).
    """

    context: np.ndarray
    context_hours: np.ndarray
    future_hours: np.ndarray
    past: np.ndarray | None = None
    known: np.ndarray | None = None

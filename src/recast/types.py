"""The words that all floors share: batch, forecast, progress."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


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
    """The levels of the categories of a batch, as indices."""

    past: Int[Tensor, "batch context past"]
    known: Int[Tensor, "batch time known"]
    static: Int[Tensor, "batch static"]


class Batch(NamedTuple):
    """Windows of a scaled panel, or whole sequences of it side by side.

    The origin of a window is its last context step. A sequence has no origin: it is all context, padded with zeros
    behind its end.

    history: the targets up to the origin; past: the inputs observed up to it; known: the inputs known ahead, at the
    steps of the context and then of the horizon; static: one value for each window; target: the truth after the origin;
    start: the storage row of the first context step; item: the item of the panel; observed: masks, None where
    everything was observed; categories: None where there are none; lengths: the steps of each sequence, None where
    all have that of the context; label: what is to be predicted of the item, -1 if unknown; carried: whether the states
    at the end of the batch before belong to the row just before this context, None where each window stands alone;
    share: which windows of the batch of all processes they are, None for one process and in evaluation; origins: in
    training, the counts of context steps after which forecasts are made, ascending, the last is that of all; None: after
    all alone.
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
    def target_observed(self) -> Bool[Tensor, "batch horizon targets"] | None:
        """Where the truth was observed; None where it was everywhere."""
        return None if self.observed is None else self.observed.target

    def to_precision(self, dtype: torch.dtype) -> "Batch":
        """The same with its numbers in another precision."""
        numbers = {name: getattr(self, name).to(dtype) for name in ("history", "past", "known", "static", "target")}
        return self._replace(**numbers)

    def take(self, which: Tensor | slice) -> "Batch":
        """Some of its windows, each standing for itself."""

        def taken(part: Tensor | None) -> Tensor | None:
            return None if part is None else part[which]

        def group(parts: tuple[Tensor, ...] | None) -> Any:
            return None if parts is None else type(parts)(*(part[which] for part in parts))

        singles = ("history", "past", "known", "static", "target", "start", "item", "lengths", "label")
        return Batch(
            **{name: taken(getattr(self, name)) for name in singles},  # pyright: ignore[reportArgumentType]
            observed=group(self.observed),
            categories=group(self.categories),
        )


class Forecast(NamedTuple):
    """A forecast: its mean, and the sample trajectories it was made from where the model is probabilistic."""

    mean: Float[Tensor, "batch horizon targets"]
    samples: Float[Tensor, "samples batch horizon targets"] | None = None


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
        context: Target channels up to the origin, shape (batch, context, targets).
        context_hours: Times of the context steps, hours since 1970-01-01 UTC, shape (batch, context).
        future_hours: Times of the steps to forecast, shape (batch, horizon).
    """

    context: np.ndarray
    context_hours: np.ndarray
    future_hours: np.ndarray

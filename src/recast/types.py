"""The words that all floors share: series and sequences, their description, batch, forecast, progress."""

from bisect import bisect
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor, stack

SAME_LEVEL = 1e-9


@dataclass(frozen=True, eq=False)
class Series:
    """Observations over time: one long series, or many short ones one after the other (a panel).

    Args:
        times: Time stamps, `datetime64[ns]`, UTC or without zone, shape (rows,); ascending within a piece.
        values: Observations in the data's own unit, float64, shape (rows, channels); the targets come first.
        names: Name of each channel.
        units: Unit of each channel; "" where there is none.
        targets: Number of leading channels that are forecast; the others are past inputs.
        step: Distance between rows as a pandas offset alias ("10min", "B", "h").
        starts: First row of each piece, int64, ascending, the first is 0. One long series has one piece.
        label: What it was read from, for messages.
        timezone: "UTC" where the stamps carried a zone or offset, else None.
    """

    times: np.ndarray
    values: np.ndarray
    names: tuple[str, ...]
    units: tuple[str, ...]
    targets: int
    step: str
    starts: np.ndarray
    label: str
    timezone: str | None = None

    def __len__(self) -> int:
        return len(self.values)

    @property
    def is_panel(self) -> bool:
        """Whether it holds many series side by side in time, rather than pieces of one that follow each other."""
        return bool(np.any(self.times[1:] < self.times[:-1]))

    @property
    def pieces(self) -> list[tuple[int, int]]:
        """Row range [first, stop) of each piece."""
        bounds = [*self.starts.tolist(), len(self)]
        return list(pairwise(bounds))


@dataclass(frozen=True)
class SeriesSpec:
    """What a model must know of its data: names, sizes, units, scaling. It flows from data to model, never back.

    Args:
        names: Names of the observed channels, targets first.
        units: Their units.
        targets: Number of leading channels that are forecast.
        step: Distance between rows, a pandas offset alias.
        context: Observed steps that a forecast is made from. [steps]
        horizon: Steps forecast. [steps]
        periods: Periods of the sine and cosine inputs known for any time, past and future. [hours]
        offset: Subtracted from each channel, in its unit.
        scale: Divides each channel after that, in its unit; positive.
        naive_error: Mean absolute error of the (seasonal) naive forecast on the training rows for each target,
            in its unit: the denominator of MASE (Hyndman & Koehler 2006, section 3).
        timezone: "UTC" where the stamps carry a zone, else None.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    targets: int
    step: str
    context: int
    horizon: int
    periods: tuple[float, ...]
    offset: tuple[float, ...]
    scale: tuple[float, ...]
    naive_error: tuple[float, ...]
    timezone: str | None = None

    @property
    def known(self) -> int:
        """Number of inputs known for future steps: a sine and a cosine for each period."""
        return 2 * len(self.periods)

    @property
    def inputs(self) -> int:
        """Number of inputs at each context step: the observed channels, then the known ones."""
        return len(self.names) + self.known

    @property
    def unit(self) -> str:
        """The unit of the targets; "mixed" where they differ."""
        units = set(self.units[: self.targets])
        return units.pop() if len(units) == 1 else "mixed"

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, fit for a checkpoint and for JSON."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "SeriesSpec":
        """The inverse of `to_dict`.

        Raises:
            TypeError: if a field is missing or unknown.
        """
        fields: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in values.items()
        }
        return cls(**fields)


class Share(NamedTuple):
    """What one of several processes has of a training batch.

    total: items in the batch of all processes; first: place of this process's first item in it, those that follow are
    its others; weight: its number of items over the mean number of a process. The mean over processes of weighted
    means over their items is the mean over all items.
    """

    total: int
    first: int
    weight: float


class Batch(NamedTuple):
    """Windows of the scaled series.

    context: all inputs up to the origin; target: the truth after it; known: inputs known ahead at the target's
    steps; start: the storage row of the first context step; carried: whether the states at the end of the batch
    before belong to the row just before this context, None where each window stands alone; share: which windows of
    the batch of all processes they are, None for one process and in evaluation; origins: in training, the counts of
    context steps after which forecasts are made, ascending, the last is that of all; None: after all alone.
    """

    context: Float[Tensor, "batch context inputs"]
    target: Float[Tensor, "batch horizon targets"]
    known: Float[Tensor, "batch horizon known"]
    start: Int[Tensor, " batch"]
    carried: Bool[Tensor, " batch"] | None = None
    share: Share | None = None
    origins: tuple[int, ...] | None = None


class Forecast(NamedTuple):
    """A forecast: its mean, and whatever else is known of what may come.

    mean: the point forecast; samples: trajectories, equally probable; quantiles: at `levels`, which ascend and lie
    between 0 and 1; probabilities: that of each class, where the targets are categories.
    """

    mean: Float[Tensor, "batch horizon targets"]
    samples: Float[Tensor, "samples batch horizon targets"] | None = None
    quantiles: Float[Tensor, "levels batch horizon targets"] | None = None
    levels: tuple[float, ...] = ()
    probabilities: Float[Tensor, "batch horizon targets classes"] | None = None

    def values(self, change: Callable[[Tensor], Tensor]) -> "Forecast":
        """The same forecast with mean, samples and quantiles changed alike; `change` keeps their order."""
        return self._replace(
            mean=change(self.mean),
            samples=None if self.samples is None else change(self.samples),
            quantiles=None if self.quantiles is None else change(self.quantiles),
        )

    def in_unit(self, offset: Float[Tensor, " targets"], scale: Float[Tensor, " targets"]) -> "Forecast":
        """A forecast of scaled values in the data's own unit.

        Args:
            offset: What was subtracted from each target, in its unit.
            scale: What each was divided by after that, in its unit; positive.
        """
        return self.values(lambda scaled: scaled * scale + offset)

    def quantiles_at(self, levels: Sequence[float]) -> Float[Tensor, "levels batch horizon targets"] | None:
        """The quantiles at any levels, as far as the forecast knows them; None where it does not.

        Known quantiles are joined linearly; beyond the outermost level nothing is known. Without quantiles they are
        those of the m samples: that at p lies at rank p (m + 1), linear between ranks (Hyndman & Fan 1996, "Sample
        quantiles in statistical packages", The American Statistician 50, definition 6). A truth drawn like the
        samples falls into each of the m + 1 parts that they cut the axis into with equal probability, so that bands
        hold what they promise however few the samples; below rank 1 and above rank m nothing is known.

        Args:
            levels: Probabilities between 0 and 1.
        """
        if self.quantiles is not None:
            return interpolated(self.quantiles, self.levels, levels)
        if self.samples is None:
            return None
        members = len(self.samples)
        ranks = [float(rank) for rank in range(1, members + 1)]
        return interpolated(self.samples.sort(dim=0).values, ranks, [level * (members + 1) for level in levels])

    @property
    def widest(self) -> float | None:
        """The level of the widest central interval that the forecast knows; None where it knows none."""
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
    return stack(found) if found else values[:0]


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


@dataclass(frozen=True, eq=False)
class Sequences:
    """Sequences of different lengths with a class each, one after the other in one storage.

    Args:
        values: Observations in the data's own unit, float64, shape (rows, channels).
        starts: First row of each sequence, and behind them the number of rows, int64, shape (sequences + 1,).
        labels: Class of each sequence as an index into `classes`, int64, shape (sequences,); -1 where it is unknown.
        classes: Names of the classes.
        names: Name of each channel.
        units: Unit of each channel; "" where there is none.
        label: What they were read from, for messages.
    """

    values: np.ndarray
    starts: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    names: tuple[str, ...]
    units: tuple[str, ...]
    label: str

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def lengths(self) -> np.ndarray:
        """Steps of each sequence, int64, shape (sequences,)."""
        return np.diff(self.starts)

    @property
    def labelled(self) -> bool:
        """Whether the class of every sequence is known."""
        return bool((self.labels >= 0).all())

    def take(self, which: np.ndarray) -> "Sequences":
        """Some of the sequences, in the order of their indices `which`."""
        lengths = self.lengths[which]
        starts = np.concatenate([[0], np.cumsum(lengths)])
        # Row r of the new storage lies as far from its sequence's first row as in the old one.
        rows = np.arange(starts[-1]) + np.repeat(self.starts[which] - starts[:-1], lengths)
        return replace(self, values=self.values[rows], starts=starts, labels=self.labels[which])


@dataclass(frozen=True)
class SequenceSpec:
    """What a classifier must know of its data: names, units, classes, scaling. It flows from data to model.

    No length is in it: a sequence may be longer than any of those trained on.

    Args:
        names: Names of the channels.
        units: Their units.
        classes: Names of the classes.
        offset: Subtracted from each channel, in its unit.
        scale: Divides each channel after that, in its unit; positive.
    """

    names: tuple[str, ...]
    units: tuple[str, ...]
    classes: tuple[str, ...]
    offset: tuple[float, ...]
    scale: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, fit for a checkpoint and for JSON."""
        return {key: list(value) for key, value in asdict(self).items()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "SequenceSpec":
        """The inverse of `to_dict`.

        Raises:
            TypeError: if a field is missing or unknown.
        """
        return cls(**{key: tuple(value) for key, value in values.items()})


class SequenceBatch(NamedTuple):
    """Scaled sequences side by side.

    values: the steps of each sequence, then zeros; lengths: the steps of each; label: its class, -1 if unknown; share:
    which sequences of the batch of all processes they are, None for one process and in evaluation.
    """

    values: Float[Tensor, "batch time channels"]
    lengths: Int[Tensor, " batch"]
    label: Int[Tensor, " batch"]
    share: Share | None = None

"""Training regimes: which windows a training batch holds, and in which order."""

import logging
from abc import ABC, abstractmethod
from typing import Literal, final

import numpy as np
import torch

from recast.data.prepare.loader import WindowLoader
from recast.data.prepare.order import EpochLoader, Order
from recast.data.prepare.prepare import Prepared
from recast.data.prepare.ranges import contiguous
from recast.data.prepare.streams import SegmentLoader, StreamLoader
from recast.errors import ConfigurationError
from recast.options import PositiveInt, checked
from recast.types import Batch

log = logging.getLogger(__name__)


class Regime(ABC):
    """Makes the training batches of a prepared series. It does not affect validation and test."""

    @abstractmethod
    def loader(
        self, prepared: Prepared, *, batch_size: int, seed: int, rank: int = 0, world: int = 1
    ) -> EpochLoader[Batch]:
        """Batches of the training part, on the device of the prepared storage.

        Args:
            prepared: The series, its parts and its windows.
            batch_size: Windows in a batch of this process. [windows]
            seed: Seed of the order.
            rank: Rank of this process, 0 <= rank < world.
            world: Number of processes that share the training part.

        Raises:
            ConfigurationError: if the regime does not fit the data or the windows.
        """


@final
class ShuffledWindows(Regime):
    """Training windows in a new random order in each epoch; every window starts from the initial state.

    Args:
        sample: "window": every window once per epoch, so that long items count for more than short ones. "item": each
            item of a panel equally often, give or take one, each time with one of its windows at random.
        windows: Windows of an epoch, drawn anew in each; none: as many as there are training windows. [windows]
    """

    @checked
    def __init__(self, *, sample: Literal["window", "item"] = "window", windows: PositiveInt | None = None) -> None:
        self.sample = sample
        self.windows = windows

    def loader(self, prepared: Prepared, *, batch_size: int, seed: int, rank: int = 0, world: int = 1) -> WindowLoader:
        """See `Regime.loader`."""
        starts = prepared.starts.train
        groups = None
        if self.sample == "item":
            # Windows ascend, and so do their items; one without windows begins where the next one does.
            places = np.searchsorted(starts.numpy(), prepared.panel.item_bounds)
            groups = torch.from_numpy(places[:-1][np.diff(places) > 0])
        return WindowLoader(
            storage=prepared.storage,
            order=Order(
                starts.to(prepared.storage.device),
                batch_size,
                shuffle=True,
                seed=seed,
                rank=rank,
                world=world,
                draws=self.windows,
                groups=groups,
            ),
            context=prepared.spec.context,
            horizon=prepared.spec.horizon,
        )


def _require_one_scaling(prepared: Prepared, regime: Regime) -> None:
    """Raises ConfigurationError where windows are scaled one by one: what is read together has one scaling."""
    if prepared.spec.local is not None and prepared.spec.local.each_window:
        raise ConfigurationError(
            f"{type(regime).__name__}: windows are scaled one by one (data/scaler=window), but several forecasts are "
            "made from rows that are read once; give data/regime=shuffled, or data/scaler=standard"
        )


@final
class MultiOrigin(Regime):
    """Segments longer than a window, read once, with forecasts from several origins in each.

    The first origin lies after `data.windows.context` steps, each further one `apart` steps after the previous; a batch
    holds `data.batch_size` segments. The gradient is that of as many windows that all begin where the segment does, at
    the cost of reading the segment once (Wen et al. 2017, arXiv 1711.11053, section 3.3: "forking sequences").
    Forecasts from neighbouring origins are correlated, so that one step is less informative than as many shuffled
    windows: good for a decent forecast quickly, not for the best final one.

    Segments begin at random rows, redrawn each epoch; an epoch has as many forecasts as one of shuffled windows. For
    models with a unidirectional encoder and without attention.

    Args:
        origins: Forecasts from each segment.
        apart: Distance of neighbouring origins. [steps]

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    @checked
    def __init__(self, *, origins: PositiveInt = 10, apart: PositiveInt = 80) -> None:
        self.origins = origins
        self.apart = apart

    def loader(self, prepared: Prepared, *, batch_size: int, seed: int, rank: int = 0, world: int = 1) -> SegmentLoader:
        """See `Regime.loader`; `batch_size` is the number of segments of this process."""
        _require_one_scaling(prepared, self)
        first = prepared.spec.context
        origins = tuple(range(first, first + self.origins * self.apart, self.apart))
        starts = prepared.training_starts(origins[-1])
        if not len(starts):
            ranges = contiguous(prepared.panel, prepared.parts.train)
            longest = int(np.diff(ranges).max())
            needed = origins[-1] + prepared.spec.horizon
            raise ConfigurationError(
                f"MultiOrigin: a segment of {self.origins} origins {self.apart} steps apart takes {needed} rows, "
                f"but the longest range of training rows without a gap has {longest}; give a smaller "
                "data.regime.origins or data.regime.apart, or fill short gaps (data/grid=interpolate)"
            )
        return SegmentLoader(
            storage=prepared.storage,
            order=Order(
                starts.to(prepared.storage.device), batch_size, shuffle=True, seed=seed, rank=rank, world=world
            ),
            horizon=prepared.spec.horizon,
            origins=origins,
            segments=max(len(prepared.starts.train) // self.origins, 1),
        )


@final
class StatefulStreams(Regime):
    """Consecutive chunks in streams, with states carried from batch to batch: truncated backpropagation through time.

    The training rows are cut into consecutive chunks; a batch holds one chunk from each of `data.batch_size` streams,
    and the next batch the chunks after them. A chunk is the context of one forecast. The encoder starts a chunk from
    its final state of the previous one, so that its memory reaches further back than any window, while the gradient
    ends where the chunk begins (Williams & Peng 1990, Neural Computation 2:490-501, section 2.4: BPTT(h; h') with
    h = h' = chunk). At gaps, and at the first batch of an epoch, states are reset.

    An epoch reads each row once, as context: it has `context` times fewer batches than one of shuffled windows. Models
    trained on every step of the context benefit most. Evaluation uses windows, whose context should be long enough for
    the state to converge.

    Args:
        chunk: Rows of a chunk; gradients are truncated at its start. [steps]
        origins: Forecasts from each chunk, evenly spaced, the last from its end. More than one needs a model with a
            unidirectional encoder and without attention.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range, or `origins` exceeds the chunk.
    """

    @checked
    def __init__(self, *, chunk: PositiveInt = 50, origins: PositiveInt = 1) -> None:
        if origins > chunk:
            raise ConfigurationError(f"StatefulStreams: origins={origins}, but a chunk has {chunk} steps; use fewer")
        self.chunk = chunk
        self.origins = tuple((number + 1) * chunk // origins for number in range(origins)) if origins > 1 else None

    def loader(self, prepared: Prepared, *, batch_size: int, seed: int, rank: int = 0, world: int = 1) -> StreamLoader:
        """See `Regime.loader`; `batch_size` is the number of streams of this process."""
        _require_one_scaling(prepared, self)
        names = ", ".join(prepared.spec.since_origin)
        if names:
            raise ConfigurationError(
                f"StatefulStreams: {names} counts from the last step of each chunk, but states are carried from chunk "
                "to chunk; use data/regime=shuffled, or leave the feature out"
            )
        stride = prepared.windows.stride
        if stride != 1:
            raise ConfigurationError(
                f"StatefulStreams: data.windows.stride={stride}, but its training windows lie data.regime.chunk="
                f"{self.chunk} steps apart; give data.windows.stride=1"
            )
        loader = StreamLoader(
            storage=prepared.storage,
            ranges=[(first, stop) for first, stop in contiguous(prepared.panel, prepared.parts.train).tolist()],
            horizon=prepared.spec.horizon,
            chunk=self.chunk,
            origins=self.origins,
            streams=batch_size,
            seed=seed,
            rank=rank,
            world=world,
        )
        log.info(
            "%d chunks of %d steps in %d streams: %d batches an epoch, %d chunks left out, others in each epoch",
            *(len(loader.chunks(0)), self.chunk, batch_size * world, len(loader)),
            len(loader.chunks(0)) - len(loader) * batch_size * world,
        )
        return loader

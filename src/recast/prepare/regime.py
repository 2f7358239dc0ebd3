"""Training regimes: which windows a training batch holds, and in what order they come."""

import logging
from abc import ABC, abstractmethod
from typing import final

from recast.errors import ConfigurationError
from recast.options import PositiveInt, checked
from recast.prepare.batches import BatchLoader
from recast.prepare.lanes import LaneLoader, contiguous_ranges
from recast.prepare.loader import WindowLoader
from recast.prepare.prepare import Prepared
from recast.prepare.windows import Windows

log = logging.getLogger(__name__)


class Regime(ABC):
    """Makes the training batches of a prepared series. Validation and test know no regime."""

    @abstractmethod
    def loader(
        self, prepared: Prepared, *, windows: Windows, batch_size: int, seed: int, rank: int = 0, world: int = 1
    ) -> BatchLoader:
        """Batches of the training part, on the device of the prepared storage.

        Args:
            prepared: The series, its parts and its windows.
            windows: The windows that were prepared.
            batch_size: Windows in a batch of this process. [windows]
            seed: Seed of the order.
            rank: This process's number, 0 <= rank < world.
            world: Number of processes that share the training part.

        Raises:
            ConfigurationError: if the regime does not fit the data or the windows.
        """


@final
class ShuffledWindows(Regime):
    """Every training window once in an epoch, in an order that is new in each; recurrent states start anew in each."""

    def loader(
        self, prepared: Prepared, *, windows: Windows, batch_size: int, seed: int, rank: int = 0, world: int = 1
    ) -> WindowLoader:
        """See `Regime.loader`."""
        return WindowLoader(
            storage=prepared.storage,
            starts=prepared.starts.train.to(prepared.storage.device),
            spec=prepared.spec,
            batch_size=batch_size,
            shuffle=True,
            seed=seed,
            rank=rank,
            world=world,
        )


@final
class StatefulLanes(Regime):
    """Consecutive chunks in lanes, recurrent states carried from batch to batch: truncated back-propagation in time.

    The training rows are cut into chunks that follow each other; a batch holds one chunk from each of
    `data.batch_size` lanes, and the next batch the chunks after them. A chunk is the context of one forecast. The
    encoder starts a chunk from the state in which it ended the one before, so that its memory reaches further back
    than any window, while the gradient ends where the chunk begins (Williams & Peng 1990, Neural Computation 2:490-501,
    section 2.4: BPTT(h; h') with h = h' = chunk). At gaps, and at the first batch of an epoch, states start anew.

    An epoch reads each row once, as context: it has `context` times fewer batches than one of shuffled windows.
    Models that learn from every step of the context make the most of it. Evaluation goes by windows, whose context
    should be long enough to bring the state to where it would be.

    Args:
        chunk: Rows of a chunk; the gradient reaches no further back. [steps]

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    @checked
    def __init__(self, *, chunk: PositiveInt = 50) -> None:
        self.chunk = chunk

    def loader(
        self, prepared: Prepared, *, windows: Windows, batch_size: int, seed: int, rank: int = 0, world: int = 1
    ) -> LaneLoader:
        """See `Regime.loader`; `batch_size` is the number of lanes of this process."""
        if windows.stride != 1:
            raise ConfigurationError(
                f"StatefulLanes: data.windows.stride={windows.stride}, but its training windows lie data.regime.chunk="
                f"{self.chunk} steps apart; give data.windows.stride=1"
            )
        first, stop = prepared.parts.train
        loader = LaneLoader(
            storage=prepared.storage,
            ranges=contiguous_ranges(prepared.series.pieces, (first, stop)),
            spec=prepared.spec,
            chunk=self.chunk,
            lanes=batch_size,
            seed=seed,
            rank=rank,
            world=world,
        )
        log.info(
            "%d chunks of %d steps in %d lanes: %d batches an epoch, %d chunks left out, others in each epoch",
            *(len(loader.chunks(0)), self.chunk, batch_size * world, len(loader)),
            len(loader.chunks(0)) - len(loader) * batch_size * world,
        )
        return loader

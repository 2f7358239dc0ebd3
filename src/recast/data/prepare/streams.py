"""Training in chronological order: contiguous streams with carried states, segments with several origins."""

import math

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from recast.data.prepare.loader import WindowLoader
from recast.data.prepare.order import EpochLoader, Order, epoch_generator
from recast.data.prepare.storage import Storage
from recast.errors import ConfigurationError
from recast.types import Batch, Share


class StreamLoader(EpochLoader[Batch]):
    """Parallel streams, each a run of consecutive chunks; batch k holds the k-th chunk of each stream.

    Chunks never overlap. Those of a range begin at its phase: in every `chunk` consecutive epochs each phase occurs
    once, in random order, so that every row with a chunk before it and a horizon after it becomes a forecast origin. A
    range too short for that many phases uses those that leave it a chunk.

    The ordered list of all chunks is divided equally among the streams. The number of chunks varies a little with the
    phase, that of batches does not: the surplus (fewer than one for each stream and one for each range) is left out at
    random positions between the streams, redrawn each epoch.

    Args:
        storage: All rows.
        ranges: Row ranges [first, stop) without a gap, ascending; context and target of a chunk lie in one of them.
        horizon: Rows after a chunk, which are forecast. [steps]
        chunk: Rows of a chunk: the context of its forecast. [steps]
        origins: Steps of a chunk after which forecasts are made; none: at its end. [steps]
        streams: Streams of this process: the number of chunks in every batch. [streams]
        seed: Seed of phases and streams.
        rank: Rank of this process, 0 <= rank < world.
        world: Number of processes that share the ranges; their streams together are those of a single process with
            `world` times the streams.

    Raises:
        ConfigurationError: if there are fewer than two chunks for each stream: no state would be carried.
    """

    def __init__(
        self,
        *,
        storage: Storage,
        ranges: list[tuple[int, int]],
        horizon: int,
        chunk: int,
        streams: int,
        origins: tuple[int, ...] | None = None,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        super().__init__()
        self.storage = storage
        self.context = chunk
        self.horizon = horizon
        self.streams = streams
        self.origins = origins
        self.seed = seed
        self.rank = rank
        self.world = world
        bounds = torch.tensor(ranges, dtype=torch.int64).reshape(-1, 2)
        rows = bounds[:, 1] - bounds[:, 0] - horizon
        fits = rows >= chunk
        self._first, self._rows = bounds[fits, 0], rows[fits]
        self._phases = (self._rows - chunk + 1).clamp(max=chunk)
        self._batches = int(((self._rows - self._phases + 1) // chunk).sum()) // (streams * world)
        if self._batches < 2:
            raise ConfigurationError(_too_few(ranges, horizon, chunk, streams, world))

    def __len__(self) -> int:
        """Batches in an epoch: chunks in a stream."""
        return self._batches

    def chunks(self, epoch: int) -> Int[Tensor, " chunks"]:
        """First rows of all chunks of an epoch, ascending."""
        phase = self._phase(epoch) % self._phases
        counts = (self._rows - phase) // self.context
        before = counts.cumsum(0) - counts
        places = torch.arange(int(counts.sum())) - before.repeat_interleave(counts)
        return (self._first + phase).repeat_interleave(counts) + self.context * places

    def plan(self, epoch: int) -> Int[Tensor, "batches streams"]:
        """First row of each chunk of this process."""
        chunks = self.chunks(epoch)
        streams = self.streams * self.world
        spare = len(chunks) - self._batches * streams
        skipped = torch.randint(spare + 1, (streams,), generator=epoch_generator(self.seed, epoch)).sort().values
        heads = self._batches * torch.arange(streams) + skipped
        own = heads[self.rank * self.streams : (self.rank + 1) * self.streams]
        return chunks[torch.arange(self._batches)[:, None] + own].to(self.storage.device)

    def batch(self, plan: Int[Tensor, "batches streams"], number: int) -> Batch:
        """One chunk of each stream; its state is carried if it begins where the stream's previous chunk ended."""
        carried: Bool[Tensor, " streams"]
        if number == 0:
            carried = torch.zeros(self.streams, dtype=torch.bool, device=self.storage.device)
        else:
            carried = plan[number] == plan[number - 1] + self.context
        share = None
        if self.world > 1:
            share = Share(self.streams * self.world, first=self.streams * self.rank, weight=1.0)
        batch = self.storage.windows(plan[number], self.context, self.horizon)
        return batch._replace(carried=carried, share=share, origins=self.origins)

    def _phase(self, epoch: int) -> int:
        turn, place = divmod(epoch, self.context)
        order = torch.randperm(self.context, generator=epoch_generator(self.seed, turn))
        return int(order[place])


def _too_few(ranges: list[tuple[int, int]], horizon: int, chunk: int, streams: int, world: int) -> str:
    longest = max((stop - first for first, stop in ranges), default=0)
    processes = f" in each of {world} processes" if world > 1 else ""
    fit = f" (at most {longest - horizon} here)" if longest > horizon else ""
    return (
        f"StatefulStreams: the training rows hold fewer than two chunks of {chunk} rows for each of {streams} streams"
        f"{processes}, so that no state would be carried on: they lie in {len(ranges)} range(s) without a gap, the "
        f"longest of {longest} rows, and each chunk needs a horizon of {horizon} behind it; give a shorter "
        f"data.regime.chunk{fit}, fewer streams (data.batch_size), more rows, or fill short gaps "
        "(data/grid=interpolate)"
    )


class SegmentLoader(WindowLoader):
    """Random segments, redrawn each epoch; epoch k depends only on (seed, k).

    Args:
        storage: All rows.
        order: The possible first rows of a segment, shuffled, and their division into batches.
        horizon: Rows of a segment after its last origin. [steps]
        origins: Steps of a segment after which forecasts are made, ascending. [steps]
        segments: Segments of all processes in an epoch, at most the number of possible first rows.
    """

    def __init__(
        self, *, storage: Storage, order: Order, horizon: int, origins: tuple[int, ...], segments: int
    ) -> None:
        super().__init__(storage=storage, order=order, context=origins[-1], horizon=horizon)
        self.origins = origins
        self.segments = min(segments, len(order.items))

    def __len__(self) -> int:
        """Batches of this process in an epoch."""
        return math.ceil(self.segments / (self.order.batch_size * self.order.world))

    def plan(self, epoch: int) -> Int[Tensor, " segments"]:
        """First row of each segment of all processes, in the epoch's order."""
        return super().plan(epoch)[: self.segments]

    def gather(self, items: Int[Tensor, " batch"]) -> Batch:
        """The segments that begin at the rows `items`."""
        return super().gather(items)._replace(origins=self.origins)

"""Rows of a batch in blocks: each runs through all steps on its own, on one core."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, NamedTuple

from recast.recurrence.compiled.packing import up
from recast.recurrence.compiled.tile import ROWS

_BLOCK = 16
"""Rows of a block that has a way back, at most: more would not stay in the caches with the gates of a few steps."""
_LARGE_BLOCKS = (64, 32)
"""Rows of a block that has none; the more, the rarer the weights come from the second cache."""
_LANES = 16
"""Sums of gradients that are kept apart at most; what is added in which order must not depend on the threads."""


class Rows(NamedTuple):
    """Rows `first` to `stop` of a batch, with room for `room`."""

    first: int
    stop: int
    room: int


def blocks(batch: int, *, keep: bool, threads: int) -> list[Rows]:
    """The rows of a batch in blocks of nearly the same size.

    Args:
        batch: Number of rows.
        keep: Whether there is a way back. Blocks are then the same whatever the number of threads, as sums of
            gradients depend on them; a row's states do not.
        threads: Blocks that run side by side.
    """
    fitting = (size for size in _LARGE_BLOCKS if batch >= size * threads)
    count = -(-batch // (_BLOCK if keep else next(fitting, _BLOCK)))
    room = up(-(-batch // count), ROWS)
    return [Rows(first, min(first + room, batch), room) for first in range(0, batch, room)]


def lanes(count: int) -> list[range]:
    """The blocks in runs of neighbours; those of a run share one sum of gradients."""
    runs = min(count, _LANES)
    return [range(run * count // runs, (run + 1) * count // runs) for run in range(runs)]


def in_threads(work: Callable[[Any], Any], items: Sequence[Any], threads: int) -> list[Any]:
    """`work` on each item, in so many threads at most, this one among them; results in order."""
    results: list[Any] = [None] * len(items)
    waiting = iter(range(len(items)))

    def run() -> None:
        for index in waiting:
            results[index] = work(items[index])

    others = min(threads, len(items)) - 1
    helpers = [_pool(others).submit(run) for _ in range(others)]
    try:
        run()
    finally:
        # Nothing goes on in the background when an error is reported.
        wait(helpers)
    for helper in helpers:
        helper.result()
    return results


_pools: dict[int, ThreadPoolExecutor] = {}


def _pool(threads: int) -> ThreadPoolExecutor:
    if threads not in _pools:
        _pools[threads] = ThreadPoolExecutor(threads, thread_name_prefix="recurrence")
    return _pools[threads]


# Threads do not survive a fork, but the object that counts on them does.
os.register_at_fork(after_in_child=_pools.clear)

"""Splits the rows of a batch into blocks, each of which runs through all steps on one core."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any, NamedTuple

from recast.nn.recurrence.compiled.layout import BLOCK_ROWS, GRADIENT_SUMS, LARGE_BLOCK_ROWS, TILE_ROWS, round_up


class RowBlock(NamedTuple):
    """Rows `first` to `stop` of a batch, padded to `room`."""

    first: int
    stop: int
    room: int


def blocks(batch: int, *, keep: bool, threads: int) -> list[RowBlock]:
    """Splits the rows of a batch into blocks of nearly equal size.

    Args:
        batch: Number of rows.
        keep: Whether there is a backward pass. Blocks are then independent of the number of threads, as gradient sums
            depend on them; a row's states do not.
        threads: Blocks that run in parallel.
    """
    fitting = (size for size in LARGE_BLOCK_ROWS if batch >= size * threads)
    count = -(-batch // (BLOCK_ROWS if keep else next(fitting, BLOCK_ROWS)))
    room = round_up(-(-batch // count), TILE_ROWS)
    return [RowBlock(first, min(first + room, batch), room) for first in range(0, batch, room)]


def gradient_groups(count: int) -> list[range]:
    """Groups of consecutive blocks; those of a group share one gradient sum."""
    groups = min(count, GRADIENT_SUMS)
    return [range(group * count // groups, (group + 1) * count // groups) for group in range(groups)]


def in_threads(work: Callable[[Any], Any], items: Sequence[Any], threads: int) -> list[Any]:
    """`work` on each item, in at most `threads` threads including this one; results in order."""
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
        # Nothing keeps running in the background once an error is raised.
        wait(helpers)
    for helper in helpers:
        helper.result()
    return results


_pools: dict[int, ThreadPoolExecutor] = {}


def _pool(threads: int) -> ThreadPoolExecutor:
    if threads not in _pools:
        _pools[threads] = ThreadPoolExecutor(threads, thread_name_prefix="recurrence")
    return _pools[threads]


# Threads do not survive a fork, but the pool object does.
os.register_at_fork(after_in_child=_pools.clear)

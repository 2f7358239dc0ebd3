"""Constants that everything about the kernels agrees on: which numbers lie, and are computed, together."""

from recast.nn.recurrence.compiled.vectors import registers

PANEL_COLUMNS = 16
"""Columns of a matrix that lie together; there is room for a multiple of so many. They fill a register of AVX-512 with
float32."""

TILE_ROWS = 4
"""Rows of a tile of a product; there is room for a multiple of so many."""

BLOCK_ROWS = 16
"""Rows of a block with a backward pass, at most: more would not stay in the caches with the gates of a chunk."""

LARGE_BLOCK_ROWS = (64, 32)
"""Rows of a block without one; the more, the rarer the weights come from the second cache."""

CHUNK_STEPS = 8
"""Steps whose gates the backward pass computes again at a time."""

GRADIENT_SUMS = 16
"""Sums of gradients that are kept apart at most; what is added in which order must not depend on the threads."""


def accumulators() -> int:
    """Vectors of sums that a tile keeps in registers.

    Half of the registers: enough to hide how long a product takes, with room for its factors.
    """
    return registers() // 2


def round_up(number: int, multiple: int) -> int:
    """The next multiple, or the number itself if it is one."""
    return -(-number // multiple) * multiple

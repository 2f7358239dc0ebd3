"""Constants shared by all kernels: memory layout, tile and block sizes."""

from recast.nn.recurrence.compiled.vectors import registers

PANEL_COLUMNS = 16
"""Columns of a matrix stored together; sizes are padded to a multiple. They fill an AVX-512 register with float32."""

TILE_ROWS = 4
"""Rows of a tile of a product; sizes are padded to a multiple."""

BLOCK_ROWS = 16
"""Largest number of rows of a block with a backward pass: more would not fit the caches with the gates of a chunk."""

LARGE_BLOCK_ROWS = (64, 32)
"""Rows of a block without one; the more, the less often the weights are loaded from the L2 cache."""

CHUNK_STEPS = 8
"""Steps whose gates the backward pass recomputes at a time."""

GRADIENT_SUMS = 16
"""Largest number of separate gradient sums; the order of summation must not depend on the threads."""


def accumulators() -> int:
    """Accumulator vectors that a tile keeps in registers.

    Half of the registers: enough to hide the latency of a product, with room for its factors.
    """
    return registers() // 2


def round_up(number: int, multiple: int) -> int:
    """The next multiple, or the number itself if it is one."""
    return -(-number // multiple) * multiple

"""A few of many things, evenly spaced."""

import numpy as np


def evenly_spaced(count: int, wanted: int, *, ends: bool = False) -> list[int]:
    """At most `wanted` numbers evenly spaced over range(count), ascending.

    Args:
        count: Number of things to choose from, at least 1.
        wanted: How many, at least 1.
        ends: Whether the first and the last are among them where there are two or more; otherwise they are inside.
    """
    if wanted >= count:
        return list(range(count))
    places = np.linspace(0, count - 1, wanted) if ends else np.linspace(0, count - 1, wanted + 2)[1:-1]
    return places.round().astype(int).tolist()

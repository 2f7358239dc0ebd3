"""The rows that a part of a data set holds, as ranges."""

from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Int

from recast.data.panel import Panel, runs

Ranges = Int[np.ndarray, "_ 2"]
"""Row ranges [first, stop), ascending, each inside one item, which may have any number of them; some may be empty."""


def filled(part: Ranges) -> Ranges:
    """Those that are not empty."""
    return part[part[:, 0] < part[:, 1]]


def in_pieces(panel: Panel, part: Ranges) -> tuple[Ranges, Ranges]:
    """The ranges of a part cut where a piece of the panel ends.

    Returns:
        The resulting ranges, none empty, and the piece in which each lies.
    """
    own = filled(part)
    first = np.searchsorted(panel.starts, own[:, 0], side="right") - 1
    counts = np.searchsorted(panel.starts, own[:, 1], side="left") - first
    place, own = runs(first, counts), np.repeat(own, counts, axis=0)
    pieces = np.stack([panel.bounds[place], panel.bounds[place + 1]], axis=1)
    return np.stack([np.maximum(pieces[:, 0], own[:, 0]), np.minimum(pieces[:, 1], own[:, 1])], axis=1), pieces


def contiguous(panel: Panel, part: Ranges) -> Ranges:
    """The row ranges that lie in one piece and in a part, none empty."""
    return in_pieces(panel, part)[0]


def rows_of(panel: Panel, part: Ranges) -> slice | np.ndarray:
    """What takes the rows of a part out of arrays over rows: a slice, where they are consecutive, else a mask."""
    own = filled(part)
    if (own[1:, 0] == own[:-1, 1]).all():
        return slice(int(own[0, 0]), int(own[-1, 1])) if len(own) else slice(0, 0)
    steps = np.zeros(len(panel) + 1, dtype=np.int8)
    np.add.at(steps, own[:, 0], 1)
    np.add.at(steps, own[:, 1], -1)
    return steps[:-1].cumsum(dtype=np.int8) > 0


def whole_items(panel: Panel) -> Ranges:
    """All rows, one range for each item."""
    bounds = panel.item_bounds
    return np.stack([bounds[:-1], bounds[1:]], axis=1)


def in_part(panel: Panel, part: Ranges) -> Bool[np.ndarray, " items"]:
    """Whether an item has rows in a part."""
    found = np.zeros(len(panel.ids), dtype=bool)
    found[panel.items_at(filled(part)[:, 0])] = True
    return found


def item_by_item(panel: Panel, values: np.ndarray, part: Ranges) -> list[np.ndarray]:
    """The values on the rows of each item in a part.

    Args:
        panel: The panel.
        values: Values of all rows, shape (rows, ...).
        part: The part; an item with one range or none gets a view.
    """
    own = filled(part)
    bounds = np.searchsorted(own[:, 0], panel.item_bounds).tolist()
    taken = [values[first:stop] for first, stop in own.tolist()]
    found = (taken[one:other] for one, other in pairwise(bounds))
    return [some[0] if len(some) == 1 else np.concatenate(some or [values[:0]]) for some in found]

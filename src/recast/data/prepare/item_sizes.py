"""How large the targets of each item are: what scaled metrics divide by."""

import numpy as np
import torch
from jaxtyping import Float, Int

from recast.data.panel import Panel
from recast.data.prepare.ranges import Ranges, contiguous, in_part, item_by_item, whole_items
from recast.data.spec import SeriesSpec
from recast.types import ItemSizes

DIFFER = 10.0
"""Items differ in size where the one at 95 per cent has this many times the standard deviation of the one at 5."""

Sizes = Float[np.ndarray, "items targets"]


def naive_errors(
    panel: Panel, part: Ranges, season: int
) -> tuple[Float[np.ndarray, "items targets"], Int[np.ndarray, "items targets"]]:
    """Sum and number of |y(t) - y(t - season)| of each item within pieces of a part, where both were observed."""
    targets = panel.targets
    total = np.zeros((len(panel.ids), targets.shape[1]))
    count = np.zeros(total.shape, dtype=np.int64)
    ranges = contiguous(panel, part)
    for item, (first, stop) in zip(panel.items_at(ranges[:, 0]), ranges.tolist(), strict=True):
        values = targets[first:stop]
        if len(values) > season:
            differences = np.abs(values[season:] - values[:-season])
            missing = np.isnan(differences)
            total[item] += np.where(missing, 0.0, differences).sum(axis=0)
            count[item] += (~missing).sum(axis=0)
    return total, count


def deviations(panel: Panel, part: Ranges) -> Sizes:
    """The standard deviation of each target of each item on the rows of a part; NaN where nothing was observed."""
    targets, found = panel.targets, np.full((len(panel.ids), len(panel.of("target"))), np.nan)
    complete = not np.isnan(targets).any()
    for item, rows in enumerate(item_by_item(panel, targets, part)):
        if complete and len(rows):
            found[item] = rows.std(axis=0)
            continue
        for target, column in enumerate(rows.T):
            seen = column[~np.isnan(column)]
            found[item, target] = seen.std() if len(seen) else np.nan
    return found


def rows_to_measure(panel: Panel, train: Ranges) -> Ranges:
    """The training rows of each item; all of an item that has none, as what is divided by enters no forecast."""
    others = whole_items(panel)[~in_part(panel, train)]
    both = np.concatenate([train, others])
    return both[both[:, 0].argsort(kind="stable")]


def items_differ(panel: Panel, train: Ranges) -> bool:
    """Whether the items differ in size, see `DIFFER`."""
    if panel.is_single:
        return False
    for sizes in deviations(panel, rows_to_measure(panel, train)).T:
        positive = sizes[sizes > 0]
        if len(positive) and np.quantile(positive, 0.95) > DIFFER * np.quantile(positive, 0.05):
            return True
    return False


def item_sizes(panel: Panel, train: Ranges, spec: SeriesSpec, season: int) -> ItemSizes | None:
    """What scaled metrics divide by, for each item of a panel; None for a single one, of which the spec says it.

    They are computed from the item's own training rows; for an item without any, such as one that is held out, from
    all of its rows if the items differ in size, otherwise they are those of the spec. NaN where an item does not vary.

    Args:
        panel: The panel.
        train: The training rows of each item.
        spec: Its description.
        season: Lag of the naive forecast. [steps]
    """
    if panel.is_single:
        return None
    rows = rows_to_measure(panel, train)
    total, count = naive_errors(panel, rows, season)
    naive = np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)
    alone = in_part(panel, train)[:, np.newaxis] | spec.items_differ
    naive = np.where(alone, naive, spec.naive_error)
    scale = np.broadcast_to(spec.target_scale, naive.shape)
    if spec.local is not None:
        scale = np.where(alone, deviations(panel, rows), scale)
    return ItemSizes(*(torch.from_numpy(np.where(sizes > 0, sizes, np.nan)) for sizes in (naive, scale)))

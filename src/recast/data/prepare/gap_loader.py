"""Batches of windows without some of their values, and with them, to be filled again."""

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from recast.data.prepare.gap_removal import Removal
from recast.data.prepare.loader import OrderedLoader
from recast.data.prepare.order import EpochLoader, Order
from recast.data.prepare.storage import Storage
from recast.types import Batch, Observed


def without(storage: Storage, starts: Int[Tensor, " batch"], removed: Bool[Tensor, "batch steps targets"]) -> Batch:
    """Windows without some of their values.

    `history` has what is left, zeros elsewhere, and `observed.history` says where; `target` has the values of the same
    steps as they were, and `observed.target` where there were any.

    Args:
        storage: All rows.
        starts: First row of each window.
        removed: Which values are removed.
    """
    batch = storage.windows(starts, removed.shape[1], 0)
    observed = _masks(batch)
    left = observed.history & ~removed
    return batch._replace(
        history=batch.history.where(left, 0.0),
        target=batch.history,
        observed=Observed(left, observed.past, observed.known, observed.history),
    )


def removed_from(batch: Batch) -> Bool[Tensor, "batch steps targets"]:
    """Which observed values a batch lacks; see `without`."""
    observed = _masks(batch)
    return observed.target & ~observed.history


def _masks(batch: Batch) -> Observed:
    if batch.observed is None:
        raise ValueError("windows without masks, in which nothing can be missing")
    return batch.observed


class GapLoader(OrderedLoader):
    """Batches of windows, to be scored: the values removed are the same whatever the batch and the process.

    Args:
        storage: All rows.
        order: The first rows of the windows, and their division into batches and among processes.
        steps: Rows of a window. [steps]
        removed: Which values are removed, for each row of the storage.
    """

    def __init__(self, *, storage: Storage, order: Order, steps: int, removed: Bool[Tensor, "rows targets"]) -> None:
        super().__init__(storage=storage, order=order)
        self.steps = steps
        self.removed = removed

    def gather(self, items: Int[Tensor, " batch"]) -> Batch:
        """The windows that begin at the rows `items`."""
        rows = items.unsqueeze(1) + torch.arange(self.steps, device=items.device)
        return without(self.storage, items, self.removed[rows])


class TrainingGapLoader(EpochLoader[Batch]):
    """Batches of windows, to train on: each lacks other values in each epoch.

    What is removed depends on the seed, the epoch, and the place of a window in the global batch, on nothing else: a
    resumed run, and one of several processes, removes the same.

    Args:
        storage: All rows.
        order: The first rows of the windows, their order and their division into batches and among processes.
        steps: Rows of a window. [steps]
        removal: How much is removed, and in which form.
        seed: Seed of the draws.
    """

    def __init__(self, *, storage: Storage, order: Order, steps: int, removal: Removal, seed: int) -> None:
        super().__init__()
        self.storage = storage
        self.order = order
        self.steps = steps
        self.removal = removal
        self.seed = seed

    def __len__(self) -> int:
        """Batches of this process in an epoch."""
        return self.order.batches

    def plan(self, epoch: int) -> Int[Tensor, "items 2"]:
        """The first rows of all windows in the epoch's order, each beside the number of the epoch."""
        starts = self.order.of(epoch)
        return torch.stack([starts, torch.full_like(starts, epoch)], dim=1)

    def batch(self, plan: Int[Tensor, "items 2"], number: int) -> Batch:
        """One batch of this process."""
        starts, share = self.order.cut(plan[:, 0].contiguous(), number)
        words = np.random.SeedSequence([self.seed, int(plan[0, 1]), number]).generate_state(1, np.uint64)
        generator = torch.Generator().manual_seed(int(words[0]))
        total, first = (len(starts), 0) if share is None else (share.total, share.first)
        removed = self.removal.draw(total, self.steps, self.storage.spec.targets, generator)
        removed = removed[first : first + len(starts)].to(starts.device)
        return without(self.storage, starts, removed)._replace(share=share)

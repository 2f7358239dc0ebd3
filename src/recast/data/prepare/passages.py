"""Passages of a text for evaluation: windows that follow each other without overlap and leave nothing out."""

import torch
from jaxtyping import Int
from torch import Tensor

from recast.data.prepare.order import EpochLoader
from recast.data.prepare.storage import Storage
from recast.types import Batch


class PassageLoader(EpochLoader[Batch]):
    """Every row of a range once, as the horizon of a window, in the order of the rows.

    The contexts reach back into the rows before, those before the range too. Only at the beginning of the storage there
    are none: the rows of the first context there are no horizon. Where the range is no multiple of the horizon, the
    last batch is the one shorter window that remains.

    Args:
        storage: All rows.
        rows: Row range [first, stop) that is served.
        context: Rows of a window before its horizon. [steps]
        horizon: Rows of a window that are served. [steps]
        batch_size: Windows in a batch. [windows]
        rank: Rank of this process, 0 <= rank < world.
        world: Number of processes, which take turns: the b-th batch is for process b mod `world`.
    """

    def __init__(
        self,
        *,
        storage: Storage,
        rows: tuple[int, int],
        context: int,
        horizon: int,
        batch_size: int,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        super().__init__()
        self.storage, self.context, self.horizon = storage, context, horizon
        self.rank, self.world = rank, world
        first, stop = max(rows[0], context), rows[1]
        whole, self._rest = divmod(max(stop - first, 0), horizon)
        starts = first - context + horizon * torch.arange(whole + (self._rest > 0))
        self._batches = [part for part in (*starts[:whole].split(batch_size), starts[whole:]) if len(part)]

    def __len__(self) -> int:
        """Batches of this process."""
        everywhere = len(self._batches)
        return max(len(range(self.rank, everywhere, self.world)), min(everywhere, 1))

    def plan(self, epoch: int) -> Int[Tensor, " batches"]:
        """The batches of this process; -1 for one without rows, where there are more processes than batches."""
        own = list(range(self.rank, len(self._batches), self.world))
        return torch.tensor((own or [-1])[: len(self)], dtype=torch.int64)

    def batch(self, plan: Int[Tensor, " batches"], number: int) -> Batch:
        """Some windows of the same length."""
        place = int(plan[number])
        starts = self._batches[place] if place >= 0 else torch.empty(0, dtype=torch.int64)
        horizon = self._rest if self._rest and place == len(self._batches) - 1 else self.horizon
        return self.storage.windows(starts.to(self.storage.device), self.context, horizon)

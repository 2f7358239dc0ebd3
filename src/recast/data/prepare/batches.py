"""What loaders of windows have in common: the storage that they gather from."""

from jaxtyping import Int
from torch import Tensor

from recast.data.prepare.epochs import EpochLoader
from recast.data.prepare.storage import Storage
from recast.types import Batch


class BatchLoader(EpochLoader[Batch]):
    """Iterates over batches of windows of one storage.

    A new loader inherits from this class and writes `__len__`, `plan` and `batch`.

    Args:
        storage: All rows.
        context: Rows of a window before its origin. [steps]
        horizon: Rows after it. [steps]
    """

    def __init__(self, *, storage: Storage, context: int, horizon: int) -> None:
        super().__init__()
        self.storage = storage
        self.context = context
        self.horizon = horizon

    def _windows(self, starts: Int[Tensor, " batch"]) -> Batch:
        """The windows that begin at the rows `starts`."""
        return self.storage.windows(starts, self.context, self.horizon)

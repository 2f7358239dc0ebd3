"""What loaders of windows have in common: one gather a batch."""

from jaxtyping import Float, Int
from torch import Tensor

from recast.prepare.epochs import EpochLoader
from recast.types import Batch, SeriesSpec


class BatchLoader(EpochLoader[Batch]):
    """Iterates over batches of windows of one storage.

    A batch is one gather: no sample is touched alone, and memory is the storage plus one batch.

    A new loader inherits from this class and writes `__len__`, `plan` and `batch`.

    Args:
        storage: All inputs of all rows, scaled, shape (rows, inputs).
        spec: Names and sizes of the data.
        context: Rows of a window before its origin. [steps]
    """

    def __init__(self, *, storage: Float[Tensor, "rows inputs"], spec: SeriesSpec, context: int) -> None:
        super().__init__()
        self.spec = spec
        self.context = context
        self.device = storage.device
        self._windows = storage.unfold(0, context + spec.horizon, 1)

    def gather(self, starts: Int[Tensor, " batch"]) -> Batch:
        """The windows that begin at the rows `starts`."""
        spec = self.spec
        windows = self._windows[starts].transpose(1, 2)
        ahead = windows[:, self.context :]
        return Batch(
            context=windows[:, : self.context],
            target=ahead[..., : spec.targets],
            known=ahead[..., len(spec.names) :],
            start=starts,
        )

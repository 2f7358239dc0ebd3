"""The errors of each forecast origin: the input of tests between forecasters."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.distributed import is_available, is_initialized
from torchmetrics.utilities.distributed import gather_all_tensors

NAMES = ("mse", "mae")


class OriginErrors:
    """Keeps the squared and the absolute error of each window, averaged over its H leads and D targets, in float64.

        mse[n] = 1/(H D) sum_h sum_d (f[n, h, d] - y[n, h, d])^2
        mae[n] = 1/(H D) sum_h sum_d |f[n, h, d] - y[n, h, d]|

    If all truths are observed, their means over windows are the overall `MSE` and `MAE`; otherwise each is a mean over
    the observed truths of its window, NaN if it has none.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Discards all windows."""
        self._kept: list[Tensor] = []

    def update(
        self,
        start: Int[Tensor, " batch"],
        mean: Float[Tensor, "batch horizon targets"],
        truth: Float[Tensor, "batch horizon targets"],
        mask: Bool[Tensor, "batch horizon targets"] | None = None,
    ) -> None:
        """Adds the windows of one batch.

        Args:
            start: First row of each window.
            mean: What was forecast, in the data's unit.
            truth: What was observed, in the data's unit.
            mask: True where it was; None: everywhere.
        """
        error = mean.double() - truth.double()
        weight = 1.0
        if mask is not None:
            error = error.where(mask, 0.0)
            # The mean over a window's observed truths, as a share of that over all of them.
            weight = mask[0].numel() / mask.sum(dim=(1, 2))
            weight = weight.where(weight.isfinite(), torch.nan)
        # Rows are integers below 2^53: exact as float64, so that everything fits in one tensor.
        columns = (start.double(), error.square().mean(dim=(1, 2)) * weight, error.abs().mean(dim=(1, 2)) * weight)
        self._kept.append(torch.stack(columns, dim=1))

    def gather(self, device: torch.device) -> None:
        """Gathers the windows of all processes on each of them; all must call it.

        Args:
            device: A device on which the processes can communicate.
        """
        if is_available() and is_initialized():
            self._kept = gather_all_tensors(self._table().to(device))

    @property
    def starts(self) -> Int[np.ndarray, " seen"]:
        """First row of each window that was seen, ascending."""
        return np.sort(self._table()[:, 0].cpu().numpy().astype(np.int64))

    def of(self, starts: Int[np.ndarray, " windows"]) -> dict[str, Float[np.ndarray, " windows"]]:
        """The errors by name, in the order of the windows; NaN for a window that was not seen.

        Args:
            starts: First row of each window, ascending; those that were seen are among them.
        """
        table = self._table().cpu().numpy()
        errors = np.full((len(starts), len(NAMES)), np.nan)
        errors[np.searchsorted(starts, table[:, 0].astype(np.int64))] = table[:, 1:]
        return dict(zip(NAMES, errors.T, strict=True))

    def _table(self) -> Float[Tensor, "seen columns"]:
        return torch.cat(self._kept) if self._kept else torch.empty(0, 1 + len(NAMES), dtype=torch.float64)

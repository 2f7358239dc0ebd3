"""The errors of each forecast origin: the input of tests between forecasters."""

from collections.abc import Mapping

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.distributed import is_available, is_initialized
from torchmetrics.utilities.distributed import gather_all_tensors

from recast.scoring.metrics.description import ranking
from recast.scoring.metrics.lead_metric import LeadMetric
from recast.types import Forecast, ItemSizes

NAMES = ("mse", "mae")


def further(metrics: Mapping[str, LeadMetric]) -> dict[str, LeadMetric]:
    """The metric that ranks, where it is one of the mean alone and those of `NAMES` mix targets that differ.

    Args:
        metrics: Those of a task.
    """
    name = ranking({name: metric.description for name, metric in metrics.items()})
    if name is None or name in NAMES:
        return {}
    metric = metrics[name]
    # A window's value is then the mean of its pointwise errors.
    plain = metric.needs == ("mean",) and type(metric).finish is LeadMetric.finish
    return {name: metric} if plain and metric.spec.sizes_differ and not metric.mixes else {}


class OriginErrors:
    """Keeps the squared and the absolute error of each window, averaged over its H leads and D targets, in float64.

        mse[n] = 1/(H D) sum_h sum_d (f[n, h, d] - y[n, h, d])^2
        mae[n] = 1/(H D) sum_h sum_d |f[n, h, d] - y[n, h, d]|

    If all truths are observed, their means over windows are the overall `MSE` and `MAE`; otherwise each is a mean over
    the observed truths of its window, NaN if it has none.

    Args:
        further: Metrics of which the same is kept, by name, see `further`; none: no others.

    Attributes:
        names: Names of what is kept.
    """

    def __init__(self, further: Mapping[str, LeadMetric] | None = None) -> None:
        self._further = dict(further or {})
        self.names = (*NAMES, *self._further)
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
        sizes: ItemSizes | None = None,
    ) -> None:
        """Adds the windows of one batch.

        Args:
            start: First row of each window.
            mean: What was forecast, in the data's unit.
            truth: What was observed, in the data's unit.
            mask: True where it was; None: everywhere.
            sizes: What scaled metrics divide by, for each window; None: the numbers of the spec.
        """
        mean, truth = mean.double(), truth.double()
        error = mean - truth
        errors = (error.square(), error.abs())
        counted = [(values if mask is None else values.where(mask, 0.0), mask) for values in errors]
        counted += [metric.counted(Forecast(mean), truth, mask, sizes) for metric in self._further.values()]
        # Rows are integers below 2^53: exact as float64, so that everything fits in one tensor.
        columns = [start.double(), *(_mean(values, seen) for values, seen in counted)]
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
        errors = np.full((len(starts), len(self.names)), np.nan)
        errors[np.searchsorted(starts, table[:, 0].astype(np.int64))] = table[:, 1:]
        return dict(zip(self.names, errors.T, strict=True))

    def _table(self) -> Float[Tensor, "seen columns"]:
        return torch.cat(self._kept) if self._kept else torch.empty(0, 1 + len(self.names), dtype=torch.float64)


def _mean(
    values: Float[Tensor, "batch horizon targets"], mask: Bool[Tensor, "batch horizon targets"] | None
) -> Float[Tensor, " batch"]:
    """The mean of each window over its observed truths, NaN without any; other values are 0."""
    if mask is None:
        return values.mean(dim=(1, 2))
    # As a share of that over all of them.
    weight = mask[0].numel() / mask.sum(dim=(1, 2))
    return values.mean(dim=(1, 2)) * weight.where(weight.isfinite(), torch.nan)

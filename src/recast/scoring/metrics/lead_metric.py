"""The base of all metrics: an exact mean over windows, for each lead and target."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torchmetrics import Metric

from recast.data.spec import SeriesSpec
from recast.options import checked
from recast.scoring.metrics.description import Described, Description
from recast.types import SAME_LEVEL, Forecast, ItemSizes


class LeadMetric(Described, Metric, ABC):
    """Accumulates a quantity over windows for each lead and target, in float64, in the data's unit.

    The states are sums over windows, so that the result does not depend on how the windows were divided into batches or
    among processes. With N windows, H leads and D targets

        mean over everything = 1/(N H D) sum_n sum_h sum_d pointwise[n, h, d]

    over observed truths only, equally weighted, and `finish` turns a mean into the reported value. In a
    `MetricCollection` set `compute_groups=False`: with compute groups on, torchmetrics merges metrics whose sums happen
    to agree on the first batch.

    Attributes:
        needs: Parts of `Forecast`, any one of which suffices.
        of_points: Whether it also scores forecasts with only a mean, as distributions without spread, so that baselines
            can be compared.
        of_band: Whether it scores the band of a forecast: that which is calibrated, where there is one.
        levels: Levels of the quantiles that it reads.

    Args:
        spec: The series that is forecast; provides horizon, targets and what else the metric needs.
    """

    full_state_update = False
    is_differentiable = False
    needs: ClassVar[tuple[str, ...]] = ("mean",)
    of_points: ClassVar[bool] = False
    of_band: ClassVar[bool] = False
    levels: Sequence[float] = ()

    total: Tensor
    count: Tensor

    @checked
    def __init__(self, *, spec: SeriesSpec) -> None:
        super().__init__()
        self.spec = spec
        zeros = torch.zeros(spec.horizon, spec.targets, dtype=torch.float64)
        self.add_state("total", default=zeros, dist_reduce_fx="sum")
        self.add_state("count", default=torch.zeros_like(zeros, dtype=torch.int64), dist_reduce_fx="sum")

    def scored(self, forecast: Forecast, band: Forecast) -> Forecast:
        """What it scores of a forecast and the same with a calibrated band: the band, where that has its levels."""
        return band if self.of_band and band.quantiles_at(self.levels) is not None else forecast

    @abstractmethod
    def pointwise(
        self, forecast: Forecast, truth: Float[Tensor, "batch horizon targets"]
    ) -> Float[Tensor, "batch horizon targets"]:
        """The quantity to be averaged, for each window, lead and target.

        Args:
            forecast: What was forecast, float64, in the data's unit.
            truth: What was observed, float64, in the data's unit.
        """

    def by_item(
        self,
        forecast: Forecast,
        truth: Float[Tensor, "batch horizon targets"],
        sizes: ItemSizes,
    ) -> Float[Tensor, "batch horizon targets"]:
        """The same where windows are of items that differ in size; for metrics that divide by it.

        NaN where an item has no size: such values do not count.

        Args:
            forecast: What was forecast.
            truth: What was observed.
            sizes: Of the item of each window.
        """
        del sizes
        return self.pointwise(forecast, truth)

    def counted(
        self,
        forecast: Forecast,
        truth: Float[Tensor, "batch horizon targets"],
        mask: Bool[Tensor, "batch horizon targets"] | None = None,
        sizes: ItemSizes | None = None,
    ) -> tuple[Float[Tensor, "batch horizon targets"], Bool[Tensor, "batch horizon targets"] | None]:
        """The quantity of each window, lead and target, 0 where it does not count; and where it does, None: everywhere.

        Args:
            forecast: What was forecast, in the data's unit.
            truth: What was observed, in the data's unit; any value, or NaN, where nothing was.
            mask: True where something was observed; None: everywhere.
            sizes: What scaled metrics divide by, for each window; None: the numbers of the spec.
        """
        forecast, truth = forecast.values(Tensor.double), truth.double()
        values = self.pointwise(forecast, truth) if sizes is None else self.by_item(forecast, truth, sizes)
        if sizes is not None and (unsized := self.unsized(sizes)) is not None:
            sized = ~unsized.expand_as(values)
            mask = sized if mask is None else mask & sized
        return (values if mask is None else values.where(mask, 0.0)), mask

    def unsized(self, sizes: ItemSizes) -> Bool[Tensor, "batch 1 targets"] | None:
        """Where an item has no size to divide by; None for a metric that does not."""
        del sizes
        return None

    def finish(self, mean: Tensor) -> Tensor:
        """Turns means of the pointwise quantity into the reported value; the identity by default.

        Args:
            mean: Means, of any shape.
        """
        return mean

    def computable_from(self, parts: Collection[str], levels: Sequence[float] = ()) -> bool:
        """Whether it is meaningful for forecasts with these parts.

        Args:
            parts: Names of the fields of `Forecast` that they have.
            levels: Levels of their quantiles, ascending; quantiles are known between them, not beyond.
        """
        found = [part for part in self.needs if part in parts]
        if found != ["quantiles"]:
            return bool(found)
        return all(levels[0] - SAME_LEVEL < level < levels[-1] + SAME_LEVEL for level in self.levels)

    def defined_for(self, parts: Collection[str]) -> bool:
        """Whether it is defined for forecasts with these parts, possibly as distributions without spread."""
        return self.computable_from(parts) or (self.of_points and set(parts) == {"mean"})

    @property
    def mixes(self) -> bool:
        """Whether its values have the unit of targets or items that differ in unit or size."""
        return self.spec.sizes_differ and self.has_unit

    @property
    def description(self) -> Description:
        """The meaning of its values."""
        return self.describe(self.spec.unit)

    def update(
        self,
        forecast: Forecast,
        truth: Float[Tensor, "batch horizon targets"],
        mask: Bool[Tensor, "batch horizon targets"] | None = None,
        sizes: ItemSizes | None = None,
    ) -> None:
        """Adds the windows of one batch.

        Args:
            forecast: What was forecast, in the data's unit.
            truth: What was observed, in the data's unit; any value, or NaN, where nothing was.
            mask: True where something was observed; None: everywhere.
            sizes: What scaled metrics divide by, for each window; None: the numbers of the spec.

        Raises:
            ValueError: if the shapes differ from each other or from the horizon and targets of the spec; broadcasting
                would otherwise give a meaningless number.
        """
        self._check_shapes(forecast, truth, mask)
        values, mask = self.counted(forecast, truth, mask, sizes)
        self.total = self.total + values.sum(dim=0)
        self.count = self.count + (len(truth) if mask is None else mask.sum(dim=0))

    def compute(self) -> Float[Tensor, ""]:
        """The metric over all windows, leads and targets; NaN before the first window."""
        return self.finish(self._mean((0, 1)))

    def per_lead(self) -> Float[Tensor, " horizon"]:
        """The metric for each lead, over all windows and targets.

        With several processes it gathers their sums, so that all must call it.
        """
        return self.finish(self._gathered_mean(1))

    def per_target(self) -> Float[Tensor, " targets"]:
        """The metric for each target, over all windows and leads.

        With several processes it gathers their sums, so that all must call it.
        """
        return self.finish(self._gathered_mean(0))

    def _mean(self, over: int | tuple[int, ...]) -> Float[Tensor, "..."]:
        count = self.count.double()
        means = (self.total / count).where(count > 0, 0.0)
        # Exactly 1 where the number of observed truths is the same everywhere; NaN where none was observed.
        weights = count / count.mean(dim=over, keepdim=True)
        return (means * weights).mean(dim=over)

    def _gathered_mean(self, over: int) -> Float[Tensor, "..."]:
        # torchmetrics gathers only around `compute`; states already gathered by the caller are unchanged.
        gather = not self._is_synced
        with self.sync_context(
            dist_sync_fn=self.dist_sync_fn,
            should_sync=gather and self._to_sync,
            should_unsync=gather and self._should_unsync,
        ):
            return self._mean(over)

    def _check_shapes(self, forecast: Forecast, truth: Tensor, mask: Tensor | None) -> None:
        expected = (len(truth), self.spec.horizon, self.spec.targets)
        found = {"truth": truth.shape, "forecast mean": forecast.mean.shape}
        if forecast.samples is not None:
            found["each forecast sample"] = forecast.samples.shape[1:]
        if forecast.quantiles is not None:
            found["each forecast quantile"] = forecast.quantiles.shape[1:]
        if mask is not None:
            found["mask"] = mask.shape
        for name, shape in found.items():
            if tuple(shape) != expected:
                raise ValueError(
                    f"{type(self).__name__}: the {name} has shape {tuple(shape)}; "
                    f"expected (batch, horizon, targets) = {expected}"
                )

"""The base of all metrics: an exact mean over windows, kept for each lead and target."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import Metric

from recast.options import checked
from recast.spec import SeriesSpec
from recast.types import Forecast


class LeadMetric(Metric, ABC):
    """Accumulates a quantity over windows for each lead and target, in float64, in the data's unit.

    The states are sums over windows, so that the result does not depend on how the windows were cut into batches or
    spread over processes. With N windows, H leads and D targets

        mean over everything = 1/(N H D) sum_n sum_h sum_d pointwise[n, h, d]

    and `finish` turns a mean into the value reported. In a `MetricCollection` set `compute_groups=False`: with compute
    groups on, torchmetrics merges metrics whose sums happen to agree on the first batch.

    Attributes:
        needs_samples: Whether the metric has no meaning for a forecast without sample trajectories.
        probabilistic: Whether it says nothing new of a model that forecasts points.

    Args:
        spec: The series that is forecast; gives horizon, targets and what else the metric needs.
    """

    full_state_update = False
    is_differentiable = False
    needs_samples: ClassVar[bool] = False
    probabilistic: ClassVar[bool] = False

    total: Tensor
    count: Tensor

    @checked
    def __init__(self, *, spec: SeriesSpec) -> None:
        super().__init__()
        self.spec = spec
        zeros = torch.zeros(spec.horizon, spec.targets, dtype=torch.float64)
        self.add_state("total", default=zeros, dist_reduce_fx="sum")
        self.add_state("count", default=torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    @abstractmethod
    def pointwise(
        self, forecast: Forecast, truth: Float[Tensor, "batch horizon targets"]
    ) -> Float[Tensor, "batch horizon targets"]:
        """The quantity to be averaged, for each window, lead and target.

        Args:
            forecast: What was forecast, float64, in the data's unit.
            truth: What was observed, float64, in the data's unit.
        """

    def finish(self, mean: Tensor) -> Tensor:
        """Turns means of the pointwise quantity into the value reported; the identity unless overridden.

        Args:
            mean: Means, of any shape.
        """
        return mean

    def update(self, forecast: Forecast, truth: Float[Tensor, "batch horizon targets"]) -> None:
        """Adds the windows of one batch.

        Args:
            forecast: What was forecast, in the data's unit.
            truth: What was observed, in the data's unit.

        Raises:
            ValueError: if the shapes differ from each other or from the horizon and targets of the spec; broadcasting
                would otherwise give a number that means nothing.
        """
        samples = forecast.samples
        self._check_shapes(forecast, truth)
        precise = Forecast(forecast.mean.double(), None if samples is None else samples.double())
        self.total = self.total + self.pointwise(precise, truth.double()).sum(dim=0)
        self.count = self.count + len(truth)

    def compute(self) -> Float[Tensor, ""]:
        """The metric over all windows, leads and targets; NaN before the first window."""
        return self.finish(self._mean().mean())

    def per_lead(self) -> Float[Tensor, " horizon"]:
        """The metric for each lead, over all windows and targets.

        With several processes it gathers their sums, so that each of them must call it.
        """
        return self.finish(self._gathered_mean().mean(dim=1))

    def per_target(self) -> Float[Tensor, " targets"]:
        """The metric for each target, over all windows and leads.

        With several processes it gathers their sums, so that each of them must call it.
        """
        return self.finish(self._gathered_mean().mean(dim=0))

    def _mean(self) -> Float[Tensor, "horizon targets"]:
        return self.total / self.count

    def _gathered_mean(self) -> Float[Tensor, "horizon targets"]:
        # torchmetrics gathers around `compute` only; states gathered by the caller are left as they are.
        gather = not self._is_synced
        with self.sync_context(
            dist_sync_fn=self.dist_sync_fn,
            should_sync=gather and self._to_sync,
            should_unsync=gather and self._should_unsync,
        ):
            return self._mean()

    def _check_shapes(self, forecast: Forecast, truth: Tensor) -> None:
        expected = (len(truth), self.spec.horizon, self.spec.targets)
        found = {"truth": truth.shape, "forecast mean": forecast.mean.shape}
        if forecast.samples is not None:
            found["each forecast sample"] = forecast.samples.shape[1:]
        for name, shape in found.items():
            if tuple(shape) != expected:
                raise ValueError(
                    f"{type(self).__name__}: the {name} has shape {tuple(shape)}; "
                    f"expected (batch, horizon, targets) = {expected}"
                )

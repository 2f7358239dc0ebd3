"""The LightningModule of imputation: trains on values removed from windows, scores those that were removed."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor, nn
from torch.optim import Optimizer
from torchmetrics import CatMetric

from recast.data.prepare.gap_loader import removed_from
from recast.errors import ConfigurationError
from recast.nn.models.imputer import Imputer, observed_of
from recast.options import NonNegativeFloat, checked
from recast.scoring.calibration.gap_bands import GapBands
from recast.scoring.metrics.description import ranking
from recast.scoring.metrics.lead_metric import LeadMetric
from recast.scoring.metrics.mae import MAE
from recast.scoring.metrics.rmse import RMSE
from recast.training.curves import is_due, log_curves
from recast.training.learning_rates import LearningRate
from recast.training.scoring_task import ScoringTask
from recast.types import Batch, Forecast

GapMetricFactory = Callable[..., LeadMetric]


class ImputationTask(ScoringTask):
    """A model that fills gaps, with its training and evaluation.

    The loss of a window is that of what it still has, and that of what was removed from it:

        L = mean of |estimate - x| over the values left
            + removed_weight * mean of |estimate - x| over those removed + penalty

    averaged over the model's estimates and the windows of a batch, in scaled values. No estimate has read the value
    that it is compared with; of a model that estimates removed values alone, the first term is 0. Metrics count removed
    values alone; a "lead" of a metric is a step of the window.

    Args:
        model: The model.
        optimizer: Builds the optimiser from the parameters; none: Adam with a rate of 1e-3.
        learning_rate: Schedule of the rate; none: constant.
        metrics: Builders of the metrics by name; none: MAE and RMSE. Those that score distributions are left out, as
            what fills a gap is one value.
        removed_weight: Weight of the values removed in the loss.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range, no metric scores single values, or the
            weight is 0 for a model that estimates removed values alone.
    """

    model: Imputer

    @checked
    def __init__(
        self,
        *,
        model: Imputer,
        optimizer: Callable[..., Optimizer] | None = None,
        learning_rate: LearningRate | None = None,
        metrics: dict[str, GapMetricFactory] | None = None,
        removed_weight: NonNegativeFloat = 1.0,
    ) -> None:
        factories = metrics or {"mae": MAE, "rmse": RMSE}
        super().__init__(model=model, optimizer=optimizer, learning_rate=learning_rate, metrics=factories)
        self.removed_weight = removed_weight
        if not removed_weight and not model.estimates_left:
            raise ConfigurationError(
                f"task.removed_weight=0: {type(model).__name__} estimates removed values alone, so that nothing would "
                "be trained; give a positive weight"
            )
        if not len(self.metrics_of("test")):
            raise ConfigurationError(
                f"metrics: {', '.join(factories)} score distributions alone; give metrics=imputation"
            )
        self.tested = CatMetric(nan_strategy="disable").set_dtype(torch.float64)
        self.bands: GapBands | None = None
        """Bands of filled values, from the errors of validation; None before, and where these are too few."""

    def _built(self, factories: Mapping[str, Callable[..., Any]]) -> nn.ModuleDict:
        built = {name: factory(spec=self.model.spec) for name, factory in factories.items()}
        return nn.ModuleDict({name: metric for name, metric in built.items() if metric.computable_from({"mean"})})

    @property
    def watched(self) -> str | None:
        """The error in the metric that ranks."""
        first = ranking({name: metric.description for name, metric in self.metrics_of("validation").items()})
        return None if first is None else f"{first}/validation"

    def in_unit(self, scaled: Float[Tensor, "batch steps targets"]) -> Float64[Tensor, "batch steps targets"]:
        """Scaled values in the data's own unit."""
        exact, spec = scaled.double(), self.model.spec
        return exact * exact.new_tensor(spec.target_scale) + exact.new_tensor(spec.target_offset)

    def filled(self, batch: Batch) -> Float64[Tensor, "batch steps targets"]:
        """What the model makes of each step and target, in the data's unit."""
        # Outside the trainer a batch has the precision of the storage.
        return self.in_unit(self.model(batch.to_precision(self.model.precision)).mean)

    def truth_of(self, batch: Batch) -> Float64[Tensor, "batch steps targets"]:
        """The values of all steps in the data's unit: the source's, or, of a batch made by hand, what `target` says."""
        if batch.truths is None:
            return self.in_unit(batch.target)
        return batch.truths.after(batch.start, 0, batch.context)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss at values left and removed."""
        found = self.model(batch)
        errors = (found.estimates - batch.target).abs().mean(dim=0)
        left, removed = (_mean_over(errors, where) for where in (observed_of(batch), removed_from(batch)))
        loss = (left + self.removed_weight * removed + found.penalty).mean()
        mean = self.finite_mean(loss, batch.share)
        if is_due(self.trainer):
            self.log("loss", mean, prog_bar=True, logger=False)
            of_removed = self.over_processes(removed.detach().mean(), batch.share)
            log_curves(self.trainer, {"loss/train": mean.item(), "removed/train": of_removed.item()})
        windows = len(batch.start) if batch.share is None else batch.share.total
        return self.accumulated(self.weighted(loss, batch.share), batch_idx, windows)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Scores what was removed from a batch, and keeps which windows these were."""
        super().test_step(batch, batch_idx)
        self.tested.update(batch.start.double())

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The model's value for each step and target, in the data's unit."""
        return self.filled(batch)

    def score(self, part: str, batch: Batch) -> None:
        """Scores what was removed from a batch."""
        forecast, truth, removed = Forecast(self.filled(batch)), self.truth_of(batch), removed_from(batch)
        for metric in self.metrics_of(part).values():
            metric.update(forecast, truth, removed, batch.sizes)

    def on_test_epoch_start(self) -> None:
        """Resets the metrics, and forgets the windows."""
        super().on_test_epoch_start()
        self.tested.reset()


def _mean_over(
    errors: Float[Tensor, "batch steps targets"], where: Bool[Tensor, "batch steps targets"]
) -> Float[Tensor, " batch"]:
    """The mean of each window over some of its values; 0 for a window that has none of them."""
    # By windows, not values: then the mean over processes is that over all windows, however many values each has.
    return errors.where(where, 0.0).sum(dim=(1, 2)) / where.sum(dim=(1, 2)).clamp(min=1)

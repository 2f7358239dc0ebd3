"""Tasks whose evaluation is their metrics over all batches of a part."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torchmetrics import Metric

from recast.errors import NonFiniteLossError
from recast.scoring.metrics.description import ranking
from recast.training.learning_rates import LearningRate
from recast.training.training_task import TrainingTask
from recast.types import Batch, Share


class ScoringTask(TrainingTask):
    """A task that resets its metrics before each evaluation, updates them with each batch, and logs them at the end.

    A new one implements `score` and Lightning's `training_step`; the mean loss goes through `finite_mean`.

    Args:
        model: The model to train, with the `spec` of its data.
        optimizer: Builds the optimiser from the parameters; none: Adam with a rate of 1e-3.
        learning_rate: Schedule of the rate; none: constant.
        metrics: Builders of the metrics by name; each is called with `spec`.
    """

    def __init__(
        self,
        *,
        model: nn.Module,
        optimizer: Callable[..., Optimizer] | None,
        learning_rate: LearningRate | None,
        metrics: Mapping[str, Callable[..., Metric]],
    ) -> None:
        super().__init__(model=model, optimizer=optimizer, learning_rate=learning_rate, metrics=metrics)
        self.scores = nn.ModuleDict({part: self._built(metrics) for part in ("validation", "test")})

    def _built(self, factories: Mapping[str, Callable[..., Any]]) -> nn.ModuleDict:
        """The metrics of one part."""
        return nn.ModuleDict({name: factory(spec=self.model.spec) for name, factory in factories.items()})

    @property
    def validation_curves(self) -> list[str]:
        """The metrics."""
        return [f"{name}/validation" for name in self.metrics_of("validation")]

    def metrics_of(self, part: str) -> dict[str, Any]:
        """The metrics of "validation" or "test" by name."""
        return dict(self.scores[part].items())  # pyright: ignore[reportCallIssue] ModuleDict is untyped

    @abstractmethod
    def score(self, part: str, batch: Batch) -> None:
        """Updates the metrics of "validation" or "test" with a batch that has items."""

    def finite_mean(self, loss: Tensor, share: Share | None) -> Tensor:
        """The mean loss over the items of the global training batch; all processes must call it.

        Raises:
            NonFiniteLossError: if it is infinite or NaN.
        """
        mean = self.over_processes(loss, share)
        if not torch.isfinite(mean):
            raise NonFiniteLossError(
                f"the training loss is {mean.item()} at step {self.trainer.global_step}. The last good checkpoint is "
                "kept. Try a lower optimizer.lr or clip gradients (trainer.gradient_clip_val=1)"
            )
        return mean

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Scores a batch."""
        if len(batch.start):
            self.score("validation", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Scores a batch."""
        if len(batch.start):
            self.score("test", batch)

    def on_validation_epoch_start(self) -> None:
        """Resets the metrics."""
        self._reset("validation")

    def on_test_epoch_start(self) -> None:
        """Resets the metrics."""
        self._reset("test")

    def on_validation_epoch_end(self) -> None:
        """Logs the metrics."""
        self._log("validation")

    def on_test_epoch_end(self) -> None:
        """Logs the metrics."""
        self._log("test")

    def _reset(self, part: str) -> None:
        for metric in self.metrics_of(part).values():
            metric.reset()

    def _log(self, part: str) -> None:
        metrics = self.metrics_of(part)
        first = ranking({name: metric.description for name, metric in metrics.items()})
        for name, metric in metrics.items():
            self.log(f"{name}/{part}", metric.compute(), prog_bar=name == first, sync_dist=True)

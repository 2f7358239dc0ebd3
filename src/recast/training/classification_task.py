"""The LightningModule: trains a classifier of sequences, scores it over all sequences."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer
from torchmetrics import MeanMetric

from recast.nn.models.classifier import Classifier
from recast.options import Fraction, checked
from recast.scoring.metrics.accuracy import Accuracy
from recast.scoring.metrics.class_metric import ClassMetric
from recast.scoring.metrics.macro_f1 import MacroF1
from recast.training.curves import is_due, log_curves
from recast.training.learning_rates import LearningRate
from recast.training.scoring_task import ScoringTask
from recast.types import Batch

ClassMetricFactory = Callable[..., ClassMetric]


class ClassificationTask(ScoringTask):
    """A classifier of sequences with its training and evaluation.

    The loss is the cross-entropy, -log P(true class), averaged over sequences; label smoothing applies in training
    only.

    Args:
        model: The classifier.
        optimizer: Builds the optimiser from the parameters; none: Adam with a rate of 1e-3.
        learning_rate: Schedule of the rate; none: constant.
        metrics: Builders of the metrics by name; none: accuracy and macro F1.
        label_smoothing: Share of the true class's weight that is spread over all classes in training (Szegedy et al.
            2016, arXiv 1512.00567, section 7).
    """

    model: Classifier

    @checked
    def __init__(
        self,
        *,
        model: Classifier,
        optimizer: Callable[..., Optimizer] | None = None,
        learning_rate: LearningRate | None = None,
        metrics: dict[str, ClassMetricFactory] | None = None,
        label_smoothing: Fraction = 0.0,
    ) -> None:
        factories = metrics or {"accuracy": Accuracy, "macro_f1": MacroF1}
        super().__init__(model=model, optimizer=optimizer, learning_rate=learning_rate, metrics=factories)
        self.label_smoothing = label_smoothing
        self.losses = nn.ModuleDict({part: MeanMetric(nan_strategy="disable") for part in ("validation", "test")})

    @property
    def validation_curves(self) -> list[str]:
        """The loss and the metrics."""
        return ["loss/validation", *super().validation_curves]

    def probabilities(self, batch: Batch) -> Float[Tensor, "batch classes"]:
        """The probability of each class."""
        return self.model(batch).softmax(dim=1)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The smoothed cross-entropy."""
        scores = self.model(batch)
        loss = functional.cross_entropy(scores, batch.labels, label_smoothing=self.label_smoothing)
        mean = self.finite_mean(loss, batch.share)
        if is_due(self.trainer):
            self.log("loss", mean, prog_bar=True, logger=False)
            hits = (scores.argmax(dim=1) == batch.labels).float()
            accuracy = self.over_processes(hits.mean(), batch.share)
            log_curves(self.trainer, {"loss/train": mean.item(), "accuracy/train": accuracy.item()})
        sequences = len(batch.start) if batch.share is None else batch.share.total
        return self.accumulated(self.weighted(loss, batch.share), batch_idx, sequences)

    def predict_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The probability of each class."""
        return self.probabilities(batch)

    def score(self, part: str, batch: Batch) -> None:
        """Scores every sequence of a batch."""
        scores = self.model(batch)
        losses = functional.cross_entropy(scores, batch.labels, reduction="none")
        self.losses[part].update(losses)  # pyright: ignore[reportCallIssue] ModuleDict is untyped
        for metric in self.metrics_of(part).values():
            metric.update(scores.softmax(dim=1), batch.labels)

    def _reset(self, part: str) -> None:
        super()._reset(part)
        self.losses[part].reset()  # pyright: ignore[reportCallIssue] ModuleDict is untyped

    def _log(self, part: str) -> None:
        self.log(f"loss/{part}", self.losses[part].compute(), sync_dist=True)  # pyright: ignore[reportCallIssue] untyped
        super()._log(part)

"""The LightningModule of language models: trains on streams of a text, scores every symbol of a part."""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import Optimizer
from torchmetrics import SumMetric

from recast.errors import NonFiniteLossError
from recast.nn.models.language_model import LanguageModel
from recast.options import Fraction, checked
from recast.scoring.metrics.bits_per_character import BitsPerCharacter
from recast.scoring.metrics.description import ranking
from recast.scoring.metrics.nats import Nats
from recast.scoring.metrics.perplexity import Perplexity
from recast.scoring.metrics.text_metric import TextMetric
from recast.training.curves import is_due, log_curves
from recast.training.learning_rates import LearningRate
from recast.training.training_task import TrainingTask
from recast.types import Batch

TextMetricFactory = Callable[..., TextMetric]


class TextTask(TrainingTask):
    """A language model with its training and evaluation.

    The loss is the cross-entropy of the next symbol, -log P(true symbol), averaged over all steps of a batch, in nats;
    label smoothing applies in training only.

    Args:
        model: The language model.
        optimizer: Builds the optimiser from the parameters; none: Adam with a rate of 1e-3.
        learning_rate: Schedule of the rate; none: constant.
        metrics: Builders of the metrics by name; none: nats, perplexity and bits per character.
        label_smoothing: Share of the true symbol's weight that is spread over the vocabulary in training (Szegedy et
            al. 2016, arXiv 1512.00567, section 7).
    """

    model: LanguageModel

    @checked
    def __init__(
        self,
        *,
        model: LanguageModel,
        optimizer: Callable[..., Optimizer] | None = None,
        learning_rate: LearningRate | None = None,
        metrics: dict[str, TextMetricFactory] | None = None,
        label_smoothing: Fraction = 0.0,
    ) -> None:
        factories = metrics or {"nats": Nats, "perplexity": Perplexity, "bits_per_character": BitsPerCharacter}
        super().__init__(model=model, optimizer=optimizer, learning_rate=learning_rate, metrics=factories)
        self.label_smoothing = label_smoothing
        self.scores = nn.ModuleDict(
            {
                part: nn.ModuleDict({name: factory(spec=model.spec) for name, factory in factories.items()})
                for part in ("validation", "test")
            }
        )

        self.counted = SumMetric()
        self.scored = 0
        """Symbols that the last test scored: the first ones of the part, all unless the trainer has a limit."""

    @property
    def validation_curves(self) -> list[str]:
        """The metrics."""
        return [f"{name}/validation" for name in self.metrics_of("validation")]

    def metrics_of(self, part: str) -> dict[str, TextMetric]:
        """The metrics of "validation" or "test" by name."""
        return dict(self.scores[part].items())  # pyright: ignore[reportCallIssue] ModuleDict is untyped

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The smoothed cross-entropy of the next symbol at every step."""
        loss = self.model.loss(batch, self.label_smoothing)
        mean = self.over_processes(loss, batch.share)
        if not torch.isfinite(mean):
            raise NonFiniteLossError(
                f"the training loss is {mean.item()} at step {self.trainer.global_step}. The last good checkpoint is "
                "kept. Try a lower optimizer.lr or clip gradients (trainer.gradient_clip_val=1)"
            )
        if is_due(self.trainer):
            self.log("loss", mean, prog_bar=True, logger=False)
            log_curves(self.trainer, {"loss/train": mean.item()})
        streams = len(batch.start) if batch.share is None else batch.share.total
        return self.accumulated(self.weighted(loss, batch.share), batch_idx, streams)

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Scores a batch of passages."""
        self._score("validation", batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Scores a batch of passages."""
        self._score("test", batch)
        self.counted.update(len(batch.start) * batch.target.shape[1])

    def predict_step(self, batch: Batch, batch_idx: int) -> Float[Tensor, "batch horizon"]:
        """The logarithm of P of each symbol of the passages, in nats."""
        return self.model(batch)

    def _score(self, part: str, batch: Batch) -> None:
        if not len(batch.start) or batch.categories is None or batch.categories.target is None:
            return
        found, symbols = self.model(batch), batch.categories.target[:, batch.context :, 0]
        for metric in self.metrics_of(part).values():
            metric.update(found, symbols)

    def on_validation_epoch_start(self) -> None:
        """Resets the metrics."""
        self._reset("validation")

    def on_test_epoch_start(self) -> None:
        """Resets the metrics."""
        self._reset("test")
        self.counted.reset()

    def _reset(self, part: str) -> None:
        for metric in self.metrics_of(part).values():
            metric.reset()

    def on_validation_epoch_end(self) -> None:
        """Logs the metrics."""
        self._log("validation")

    def on_test_epoch_end(self) -> None:
        """Logs the metrics."""
        self._log("test")
        self.scored = int(self.counted.compute())

    def _log(self, part: str) -> None:
        metrics = self.metrics_of(part)
        first = ranking({name: metric.description for name, metric in metrics.items()})
        for name, metric in metrics.items():
            self.log(f"{name}/{part}", metric.compute(), prog_bar=name == first, sync_dist=True)

"""The LightningModule of language models: trains on streams of a text or its lines, scores every symbol of a part."""

from collections.abc import Callable

from jaxtyping import Float
from torch import Tensor
from torch.optim import Optimizer
from torchmetrics import SumMetric

from recast.nn.models.language_model import LanguageModel, counted, symbols_of
from recast.options import Fraction, checked
from recast.scoring.metrics.bits_per_character import BitsPerCharacter
from recast.scoring.metrics.nats import Nats
from recast.scoring.metrics.perplexity import Perplexity
from recast.scoring.metrics.text_metric import TextMetric
from recast.training.curves import is_due, log_curves
from recast.training.learning_rates import LearningRate
from recast.training.scoring_task import ScoringTask
from recast.types import Batch

TextMetricFactory = Callable[..., TextMetric]


class TextTask(ScoringTask):
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
        self.counted = SumMetric()
        self.scored = 0
        """Symbols that the last test scored: the first ones of the part, all unless the trainer has a limit."""

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The smoothed cross-entropy of the next symbol at every step."""
        loss = self.model.loss(batch, self.label_smoothing)
        mean = self.finite_mean(loss, batch.share)
        if is_due(self.trainer):
            self.log("loss", mean, prog_bar=True, logger=False)
            log_curves(self.trainer, {"loss/train": mean.item()})
        items = len(batch.start) if batch.lengths is None else int((batch.lengths - 1).sum())
        return self.accumulated(
            self.weighted(loss, batch.share), batch_idx, items if batch.share is None else batch.share.total
        )

    def predict_step(self, batch: Batch, batch_idx: int) -> Float[Tensor, "batch steps"]:
        """The logarithm of P of each symbol of the passages or lines, in nats; see `LanguageModel.forward`."""
        return self.model(batch)

    def score(self, part: str, batch: Batch) -> None:
        """Scores every symbol of a batch of passages or lines, and counts those of a test."""
        found = self.model(batch)
        symbols = symbols_of(batch)[:, -found.shape[1] :]
        if batch.lengths is not None:
            within = counted(batch)
            found, symbols = found[within], symbols[within]
        for metric in self.metrics_of(part).values():
            metric.update(found, symbols)
        if part == "test":
            self.counted.update(symbols.numel())

    def on_test_epoch_start(self) -> None:
        """Resets metrics and count."""
        super().on_test_epoch_start()
        self.counted.reset()

    def on_test_epoch_end(self) -> None:
        """Logs the metrics, and keeps the count."""
        super().on_test_epoch_end()
        self.scored = int(self.counted.compute())

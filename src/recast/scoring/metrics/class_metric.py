"""The base of all metrics of classification."""

from abc import ABC

from torchmetrics import Metric

from recast.scoring.metrics.description import Described, Description


class ClassMetric(Described, Metric, ABC):
    """Compares class probabilities with true classes over all sequences, independent of batching.

    `update(probabilities, label)` takes the probabilities of shape (batch, classes) and the true classes of shape
    (batch,); `compute()` gives one number over all sequences.

    A new metric inherits from this class first and from one of torchmetrics second, and takes the spec
    (`recast.types.SequenceSpec`) as its option `spec`. By default it has no unit and a perfect classifier scores 1.
    """

    perfect = 1.0

    def unit(self, of: str) -> str:
        """None."""
        return ""

    @property
    def description(self) -> Description:
        """The meaning of its values."""
        return self.describe("")

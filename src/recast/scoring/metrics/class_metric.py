"""The base of all metrics of classification."""

from abc import ABC

from torchmetrics import Metric

from recast.scoring.metrics.description import Described, Description


class ClassMetric(Described, Metric, ABC):
    """Compares class probabilities with true classes over all sequences, however they are cut into batches.

    `update(probabilities, label)` takes the probabilities of shape (batch, classes) and the true classes of shape
    (batch,); `compute()` gives one number over all sequences.

    A new metric inherits from this class first and from one of torchmetrics second, and takes the spec
    (`recast.types.SequenceSpec`) as its option `spec`. Unless it says otherwise, it has no unit and a perfect
    classifier has 1.
    """

    perfect = 1.0

    def unit(self, of: str) -> str:
        """None."""
        return ""

    @property
    def description(self) -> Description:
        """What its values mean."""
        return self.describe("")

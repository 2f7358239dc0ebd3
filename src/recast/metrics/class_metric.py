"""The base of all metrics of classification."""

from abc import ABC

from torchmetrics import Metric


class ClassMetric(Metric, ABC):
    """Compares class probabilities with true classes over all sequences, however they are cut into batches.

    `update(probabilities, label)` takes the probabilities of shape (batch, classes) and the true classes of shape
    (batch,); `compute()` gives one number over all sequences.

    A new metric inherits from this class first and from one of torchmetrics second, and takes the spec
    (`recast.types.SequenceSpec`) as its option `spec`.
    """

"""Accuracy."""

from typing import final

from torchmetrics.classification import MulticlassAccuracy

from recast.data.spec import PanelSpec
from recast.options import checked
from recast.scoring.metrics.class_metric import ClassMetric


@final
class Accuracy(ClassMetric, MulticlassAccuracy):  # pyright: ignore[reportIncompatibleVariableOverride] both say True
    """The share of sequences whose most probable class is the true one.

    Args:
        spec: The sequences that are classified.
    """

    @checked
    def __init__(self, *, spec: PanelSpec) -> None:
        super().__init__(num_classes=len(spec.classes), average="micro")

"""The mean of the F1 scores of all classes."""

from typing import final

from torchmetrics.classification import MulticlassF1Score

from recast.data.spec import PanelSpec
from recast.options import checked
from recast.scoring.metrics.class_metric import ClassMetric


@final
class MacroF1(ClassMetric, MulticlassF1Score):
    """The mean over classes of F1 = 2 precision recall / (precision + recall), each class with equal weight.

    A class that neither occurs nor is predicted does not count; one never predicted correctly has an F1 of 0 (Sokolova
    & Lapalme 2009, "A systematic analysis of performance measures for classification tasks", table 3).

    Args:
        spec: The sequences that are classified.
    """

    @checked
    def __init__(self, *, spec: PanelSpec) -> None:
        super().__init__(num_classes=len(spec.classes), average="macro")

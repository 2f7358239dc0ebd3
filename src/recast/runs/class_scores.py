"""Scoring classifiers over all sequences of a part, models and baselines alike."""

from collections.abc import Mapping

import numpy as np
import torch

from recast.runs.local_metrics import local_metrics
from recast.scoring.metrics.class_metric import ClassMetric
from recast.scoring.metrics.description import Description

LOSS = Description(unit="nats", higher_is_better=False, perfect=0.0)


def descriptions(metrics: Mapping[str, ClassMetric]) -> dict[str, Description]:
    """What the values of metrics, and that of the loss, mean."""
    return {name: metric.description for name, metric in metrics.items()} | {"loss": LOSS}


def class_scores(metrics: Mapping[str, ClassMetric], probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """The values of metrics, and the loss: the mean of -log P(true class).

    Args:
        metrics: What is measured; they are left as they are.
        probabilities: Of each class, float64, shape (sequences, classes).
        labels: The true classes, shape (sequences,).
    """
    scores = {}
    for name, metric in local_metrics(metrics).items():
        metric.update(torch.from_numpy(probabilities), torch.from_numpy(labels))
        scores[name] = metric.compute().item()
    hit = probabilities[np.arange(len(labels)), labels]
    return scores | {"loss": float(-np.log(np.maximum(hit, np.finfo(np.float64).tiny)).mean())}

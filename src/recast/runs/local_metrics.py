"""Metrics for what every process computes whole."""

from collections.abc import Mapping
from copy import deepcopy
from typing import TypeVar

from torchmetrics import Metric

MetricT = TypeVar("MetricT", bound=Metric)


def local_metrics(metrics: Mapping[str, MetricT]) -> dict[str, MetricT]:
    """Copies on the CPU that have seen nothing and ask no other process.

    Args:
        metrics: Those of a task, which may hold the scores of its model; they are left as they are.
    """
    copies = {name: deepcopy(metric).cpu() for name, metric in metrics.items()}
    for metric in copies.values():
        metric.reset()
        metric.distributed_available_fn = _never
    return copies


def _never() -> bool:
    return False

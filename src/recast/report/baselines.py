"""What the runs' baselines scored on a data set."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from recast.report.metric import Metric
from recast.report.run import Run


@dataclass(frozen=True)
class Reference:
    """A baseline on one data set.

    Args:
        name: Its name.
        best: Its best score over the runs: it may depend on options such as the context.
        worst: Its worst one.
    """

    name: str
    best: float
    worst: float

    @property
    def differs(self) -> bool:
        """Whether it did not score the same in all runs."""
        return not math.isclose(self.best, self.worst, rel_tol=1e-6)


def references(runs: Sequence[Run], metric: Metric) -> list[Reference]:
    """The baselines of finished runs, the best first."""
    values: dict[str, list[float]] = {}
    for run in runs:
        for name, scores in run.baselines.items():
            if metric.name in scores:
                values.setdefault(name, []).append(scores[metric.name])
    found = [
        Reference(name, max(scores), min(scores)) if metric.higher else Reference(name, min(scores), max(scores))
        for name, scores in values.items()
    ]
    return sorted(found, key=lambda reference: (-reference.best if metric.higher else reference.best, reference.name))

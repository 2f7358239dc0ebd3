"""The metric used for ranking runs, and the baselines' scores in it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from recast.errors import ConfigurationError
from recast.report.run import Run
from recast.scoring.metrics.description import Description, ranking
from recast.scoring.metrics.skill import skill


@dataclass(frozen=True)
class Metric:
    """The metric of a comparison.

    Args:
        name: As in metrics.json.
        description: The meaning of its values.
    """

    name: str
    description: Description

    @property
    def unit(self) -> str:
        """Its unit; "" for none."""
        return self.description.unit

    @property
    def higher(self) -> bool:
        """Whether larger is better."""
        return bool(self.description.higher_is_better)

    @property
    def title(self) -> str:
        """Its name with its unit."""
        return f"{self.name} [{self.unit}]" if self.unit else self.name

    def better(self, first: float, second: float) -> bool:
        """Whether `first` is better than `second`; NaN is better than nothing."""
        return first > second if self.higher else first < second

    def best(self, values: Iterable[float]) -> float:
        """The best of the values; NaN if there is none."""
        finite = [value for value in values if math.isfinite(value)]
        return math.nan if not finite else max(finite) if self.higher else min(finite)

    def skill(self, value: float, reference: float) -> float:
        """Skill score: 1 is perfect, 0 equal to the reference, below 0 worse; NaN if the reference is perfect."""
        return skill(value, reference, self.description.perfect)


def metric_of(runs: Sequence[Run], wanted: str | None) -> Metric | None:
    """The ranking metric of finished runs on the same data; None if they lack it.

    Args:
        runs: Finished runs.
        wanted: Its name; None for the one that their configuration ranks by.
    """
    known = {name for run in runs for name in run.scores}
    found = {name: description for name, description in described(runs).items() if description.ranks and name in known}
    name = ranking(found) if wanted is None else wanted
    return Metric(name, found[name]) if name in found else None


def check_metric(runs: Sequence[Run], wanted: str | None) -> None:
    """Rejects a metric that no finished run has, or that does not rank.

    Raises:
        ConfigurationError: if so, with the available metrics.
    """
    found = described(runs)
    known = sorted({name for run in runs for name in run.scores if name in found and found[name].ranks})
    if wanted in found and not found[wanted].ranks:
        raise ConfigurationError(
            f"--metric {wanted}: it is best at its nominal level, so it ranks nothing; choose among {', '.join(known)}"
        )
    if wanted is not None and known and wanted not in known:
        raise ConfigurationError(f"--metric {wanted}: no finished run has it; they have {', '.join(known)}")


def described(runs: Sequence[Run]) -> dict[str, Description]:
    """The metrics of any of the runs, in the order of their configuration."""
    found: dict[str, Description] = {}
    for run in runs:
        for name, description in run.metrics.items():
            found.setdefault(name, description)
    return found


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
        """Whether its score differs between runs."""
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

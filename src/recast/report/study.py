"""The content of a report: runs, data sets, groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from recast.report.data_sets import DataSet, data_sets
from recast.report.find import find
from recast.report.groups import Group, differing, group_options, groups
from recast.report.metric import Metric, Reference, check_metric, metric_of, references
from recast.report.read import read
from recast.report.run import Run


@dataclass(frozen=True, eq=False)
class Ranked:
    """A data set with its runs in groups, the best first.

    Args:
        data: The data set.
        metric: The ranking metric.
        options: Options that distinguish groups.
        groups: The groups; those without a score at the end.
        references: The baselines, the best first.
    """

    data: DataSet
    metric: Metric
    options: tuple[str, ...]
    groups: tuple[Group, ...]
    references: tuple[Reference, ...]

    @property
    def scored(self) -> tuple[Group, ...]:
        """The groups with a score."""
        return tuple(group for group in self.groups if group.scores)

    @property
    def reference(self) -> Reference | None:
        """The best baseline."""
        return self.references[0] if self.references else None


@dataclass(frozen=True, eq=False)
class Study:
    """The content of a report.

    Args:
        folders: The folders given.
        runs: All runs in them.
        options: Options that differ between the runs, except the seed.
        ranked: The data sets, each with its own ranking.
        unranked: Finished runs in no ranking, and why not.
        homeless: Runs whose data are unknown.
        problems: Problems with the folders as a whole.
        alpha: Level of the tests.
    """

    folders: tuple[Path, ...]
    runs: tuple[Run, ...]
    options: tuple[str, ...]
    ranked: tuple[Ranked, ...]
    unranked: dict[str, tuple[Run, ...]]
    homeless: tuple[Run, ...]
    problems: tuple[str, ...]
    alpha: float


def study(folders: Sequence[Path], *, alpha: float, metric: str | None) -> Study:
    """Reads run folders and sweep folders.

    Args:
        folders: The folders to search.
        alpha: Level of the tests.
        metric: The ranking metric; None for the first in the runs' configuration that ranks.

    Raises:
        DataError: if a folder is missing or holds no run.
        ConfigurationError: if no finished run has the metric.
    """
    found = find(folders)
    runs = tuple(map(read, found.places))
    check_metric(runs, metric)
    options = differing(runs)
    sets, homeless = data_sets(runs, options)
    ranked: list[Ranked] = []
    unranked: dict[str, tuple[Run, ...]] = {}
    for data in sorted(sets, key=lambda data: data.name):
        chosen = metric_of(data.finished, metric)
        if chosen is None:
            unranked[f"{data.name}: {_lack(data.finished, metric)}"] = data.finished
            continue
        telling = group_options(data.runs, options)
        ranked.append(
            Ranked(
                data,
                chosen,
                telling,
                tuple(groups(data.runs, telling, chosen)),
                tuple(references(data.finished, chosen)),
            )
        )
    return Study(tuple(folders), runs, options, tuple(ranked), unranked, tuple(homeless), found.problems, alpha)


def _lack(runs: Sequence[Run], metric: str | None) -> str:
    if not any(run.metrics for run in runs):
        return "metrics.json does not describe its metrics, as an older version wrote it; train again to compare"
    return f"no finished run has {metric or 'a metric that ranks'}"

"""The kinds of task there are, and which parts belong to each: the one place where they are told apart."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from recast.baselines.baseline import Baseline
from recast.baselines.class_baseline import ClassBaseline
from recast.classification_task import ClassificationTask
from recast.configure.targets import ALLOWED, resolve
from recast.datamodule import ForecastDataModule
from recast.errors import ConfigurationError
from recast.metrics.class_metric import ClassMetric
from recast.metrics.lead_metric import LeadMetric
from recast.models.classifier import Classifier
from recast.models.model import ForecastModel
from recast.sequence_datamodule import SequenceDataModule
from recast.task import ForecastTask
from recast.training_task import TrainingTask


@dataclass(frozen=True)
class Kind:
    """A kind of task.

    Args:
        name: Its name, the choice of the group `task`.
        task: The task's class.
        data: The class of its data module.
        model: The class of its models.
        metric: The class of its metrics.
        baseline: The class of its baselines.
    """

    name: str
    task: type[TrainingTask]
    data: type
    model: type
    metric: type
    baseline: type


FORECAST = Kind("forecast", ForecastTask, ForecastDataModule, ForecastModel, LeadMetric, Baseline)
CLASSIFICATION = Kind("classification", ClassificationTask, SequenceDataModule, Classifier, ClassMetric, ClassBaseline)
KINDS = (FORECAST, CLASSIFICATION)


def kind_of(config: Mapping[str, Any], allowed: Sequence[str] = ALLOWED) -> Kind:
    """The kind of task of a configuration; its parts must be of one kind.

    Args:
        config: A configuration that `recast.configure.check.check` accepts.
        allowed: What `_target_` may name; see `recast.configure.targets.resolve`.

    Raises:
        ConfigurationError: if data, model, metrics or baselines belong to another kind of task.
    """
    task = resolve(config["task"]["_target_"], allowed)
    kind = next(kind for kind in KINDS if issubclass(task, kind.task))
    problems = []
    for key, node, wanted in _parts(config, kind):
        found = resolve(node["_target_"], allowed)
        if not issubclass(found, wanted):
            problems.append(f"{key}={found.__name__}: task={kind.name} needs {wanted.__name__}")
    if problems:
        others = " or ".join(f"task={other.name}" for other in KINDS if other is not kind)
        problems.append(f"These are parts of different tasks: choose others, or give {others}, which brings its own")
        raise ConfigurationError("\n".join(problems))
    return kind


def fitting_baselines(nodes: Mapping[str, Any], kind: Kind) -> dict[str, Any]:
    """Those of the baselines that belong to a kind of task."""
    return {name: node for name, node in nodes.items() if node and issubclass(resolve(node["_target_"]), kind.baseline)}


def _parts(config: Mapping[str, Any], kind: Kind) -> list[tuple[str, Mapping[str, Any], type]]:
    """Key, node and wanted class of each part that belongs to a kind of task."""
    parts = [("data", config["data"], kind.data), ("model", config["model"], kind.model)]
    for group, wanted in (("metrics", kind.metric), ("baselines", kind.baseline)):
        parts += [(f"{group}.{name}", node, wanted) for name, node in config.get(group, {}).items() if node]
    return parts

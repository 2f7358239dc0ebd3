"""The self-description of a checkpoint, so that it can be used without its run."""

from typing import Any

import recast
from recast.data.training_data import TrainingData
from recast.errors import ConfigurationError
from recast.training.checkpoint_format import FORMAT, REASON
from recast.training.nodes import node_of

OF_THE_PROGRAM = ("model", "optimizer", "learning_rate", "metrics")
"""Options of a task that are not part of its own node."""


def describe(*, model: Any, task: object, metrics: dict[str, Any], data: object) -> dict[str, Any]:
    """Format and version; configuration, data spec and fingerprint; or the reason why these are unavailable.

    All in plain containers. Nothing is raised: training is useful even if its checkpoints cannot be restored.

    Args:
        model: The trained model; its `spec` is that of its data.
        task: The task that trains it.
        metrics: Builders of the task's metrics by name.
        data: The data module that it is trained on; None for loaders without one.
    """
    description: dict[str, Any] = {"format": FORMAT, "version": recast.__version__}
    if not isinstance(data, TrainingData):
        found = "loaders without a data module" if data is None else type(data).__name__
        return description | {
            REASON: f"trained on {found}; it can be restored where recast's data module is trained on"
        }
    description["fingerprint"] = data.fingerprint
    try:
        config = {
            "data": node_of(data, key="data"),
            "model": node_of(model, key="model", without=("spec",)),
            "task": node_of(task, key="task", without=OF_THE_PROGRAM),
            "metrics": {name: node_of(metric, key=f"metrics.{name}") for name, metric in metrics.items()},
        }
    except ConfigurationError as error:
        return description | {REASON: str(error)}
    return description | {"config": config, "spec": model.spec.to_dict()}

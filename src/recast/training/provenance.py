"""What a checkpoint says of itself, so that it can be used without its run."""

from typing import Any

import recast
from recast.data.training_data import TrainingData
from recast.errors import ConfigurationError
from recast.training.checkpoint_format import FORMAT, REASON
from recast.training.nodes import node_of

OF_THE_PROGRAM = ("model", "optimizer", "learning_rate", "metrics")
"""Options of a task that are no part of its own node."""


def describe(*, model: Any, task: object, metrics: dict[str, Any], data: object) -> dict[str, Any]:
    """Format and version; configuration, data's spec and fingerprint; or the reason why these cannot be told.

    All in plain containers. Training is worth its results even where nobody can restore them: nothing is raised.

    Args:
        model: The model that is trained; its `spec` is that of its data.
        task: What trains it.
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

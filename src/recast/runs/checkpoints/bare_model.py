"""A checkpoint's model without its task, and what kind of model it is."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from recast.errors import CheckpointError
from recast.nn.models.imputer import Imputer
from recast.runs.checkpoints.checkpoint import ALLOWED, fitting
from recast.runs.checkpoints.size import no_larger_than
from recast.runs.configure.build import build
from recast.runs.configure.targets import resolve
from recast.system.files import user_path

PREFIX = "model."
"""What the names of a model's weights begin with in a checkpoint, whose root is the task."""


def bare_model(path: str | Path, content: Mapping[str, Any], node: Mapping[str, Any], spec: object) -> nn.Module:
    """The model of a checkpoint with its weights, in evaluation mode; call it within `fitting`.

    Args:
        path: The checkpoint.
        content: Its content.
        node: Configuration of the model, checked.
        spec: What the model must know about the data, checked.
    """
    # The weights lie in the file as they are, at least in half precision.
    with no_larger_than(2 * user_path(path).stat().st_size):
        model = build(node, ALLOWED)(spec=spec)
    model.load_state_dict(weights_of(content))
    return model.eval()


def weights_of(content: Mapping[str, Any]) -> dict[str, Any]:
    """The weights of a checkpoint's model, by their names in the model."""
    weights = content["state_dict"].items()
    return {name.removeprefix(PREFIX): value for name, value in weights if name.startswith(PREFIX)}


def require_imputer(path: str | Path, config: Mapping[str, Any]) -> None:
    """Raises CheckpointError if the model of a checkpoint fills no gaps.

    Args:
        path: The checkpoint.
        config: Its configuration, not checked yet.
    """
    with fitting(path):
        kind = resolve(config["model"]["_target_"], ALLOWED)
    if not issubclass(kind, Imputer):
        raise CheckpointError(
            f"{path}: it holds a {kind.__name__}, which fills no gaps; expected a model of task=imputation"
        )

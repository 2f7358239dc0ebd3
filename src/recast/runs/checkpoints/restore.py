"""Restores the trained task from a checkpoint."""

from pathlib import Path
from typing import Any

from recast.runs.checkpoints.checkpoint import ALLOWED, described, fitting
from recast.runs.checkpoints.size import no_larger_than
from recast.runs.configure.build import build
from recast.runs.configure.check import check
from recast.runs.configure.training_options import CheckpointOptions
from recast.runs.tasks.find import plug_of
from recast.runs.tasks.task_plug import RestoredTask
from recast.training.checkpoint_format import KEY


def restore(path: str | Path) -> RestoredTask[Any, Any, Any]:
    """The trained task of a checkpoint, with the data module it was trained with.

    The configuration that it holds is checked like one from the command line, and may name classes of recast alone, and
    of packages that are trusted.

    Args:
        path: A file written by a recast run.

    Raises:
        CheckpointError: if the file cannot be read safely, or its parts do not fit each other.
    """
    content, config = described(path)
    with fitting(path):
        check(config, CheckpointOptions, allowed=ALLOWED)
        plug = plug_of(config, ALLOWED)
        spec = plug.checked_spec(content[KEY].get("spec"))
        # The weights lie in the file as they are, at least in half precision.
        with no_larger_than(2 * Path(path).stat().st_size):
            model = build(config["model"], ALLOWED)(spec=spec)
        metrics = {name: build(node, ALLOWED) for name, node in config["metrics"].items()}
        task = build(config["task"], ALLOWED)(model=model, metrics=metrics)
        data = build(config["data"], ALLOWED)
        task.load_state_dict(content["state_dict"])
    return RestoredTask(plug, task.eval(), data, spec, str(content[KEY].get("fingerprint")), config)

"""Restores the trained task from a checkpoint."""

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from recast.runs.checkpoints.checkpoint import ALLOWED, described, fitting
from recast.runs.checkpoints.data_options import READING, changed, is_changed
from recast.runs.checkpoints.size import no_larger_than
from recast.runs.checkpoints.whole_model import whole_model
from recast.runs.configure.build import build
from recast.runs.configure.check import check
from recast.runs.configure.training_options import CheckpointOptions
from recast.runs.tasks.find import plug_of
from recast.runs.tasks.task_plug import RestoredTask
from recast.system.files import user_path
from recast.training.checkpoint_format import KEY


def restore(
    path: str | Path, data_options: Mapping[str, Any] | None = None, *, other_file: bool = False
) -> RestoredTask[Any, Any, Any]:
    """The trained task of a checkpoint, with the data module it was trained with.

    The configuration that it holds is checked like one from the command line, and may name classes of recast alone, and
    of packages that are trusted.

    Args:
        path: A file written by a recast run.
        data_options: Options of its data that are changed; see `recast.runs.checkpoints.data_options.changed`. None:
            none.
        other_file: Whether another file than that of the training is read, which may be split otherwise, too.

    Raises:
        CheckpointError: if the file cannot be read safely, or its parts do not fit each other.
        ConfigurationError: if the data options are wrong.
    """
    content, config = described(path)
    with fitting(path):
        check(config, CheckpointOptions, allowed=ALLOWED)
        plug = plug_of(config, ALLOWED)
    given = data_options or {}
    if is_changed(given):
        parts = (*READING, "split", "windows") if other_file else READING
        why = (
            "" if other_file else "only source and grid can be changed, and for another file (path=) split and windows"
        )
        config = config | {"data": changed(config["data"], given, parts, why=why)}
        check(config, CheckpointOptions, allowed=ALLOWED)
    with fitting(path):
        spec = plug.checked_spec(content[KEY].get("spec"))
        # The weights lie in the file as they are, at least in half precision.
        with no_larger_than(2 * user_path(path).stat().st_size):
            model = whole_model(config["model"], spec, ALLOWED)
        metrics = {name: build(node, ALLOWED) for name, node in config["metrics"].items()}
        task = build(config["task"], ALLOWED)(model=model, metrics=metrics)
        task.load_state_dict(content["state_dict"])
        plug.recall(task, content[KEY])
    with nullcontext() if is_changed(given) else fitting(path):
        data = build(config["data"], ALLOWED)
    return RestoredTask(plug, task.eval(), data, spec, str(content[KEY].get("fingerprint")), config)

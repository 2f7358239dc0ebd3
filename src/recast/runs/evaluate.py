"""Scoring a checkpoint on a part of its data, or of another file of the same kind."""

import time
from pathlib import Path
from typing import Any

from recast.errors import ConfigurationError
from recast.runs.checkpoints.restore import restore
from recast.runs.configure.build import build
from recast.runs.machine import set_up
from recast.runs.results import RunResults
from recast.runs.tasks.find import chosen_by, fitted, fitting_baselines
from recast.runs.trainer import scoring_trainer
from recast.system.files import require_folder, user_path


def evaluate(config: dict[str, Any]) -> RunResults:
    """Scores a checkpoint and the baselines over all samples of a part.

    Args:
        config: A configuration of recast-evaluate that has passed the check, in plain containers.

    Raises:
        InputError: if checkpoint or data cannot be used.
    """
    set_up(config)
    if config["output"] is not None:
        folder = user_path(config["output"])
        require_folder(folder, "output")
        if (folder / "config.yaml").exists():
            raise ConfigurationError(f"output={config['output']}: it holds a run, whose results would be overwritten")
    restored = restore(config["checkpoint"], config["data"], other_file=config["path"] is not None)
    plug, task, data, part = restored.plug, restored.task, restored.data, config["split"]
    baselines = {}
    if plug.adapt(config, restored):
        nodes = fitting_baselines(config["baselines"], plug)
        baselines = {name: build(node) for name, node in nodes.items()}
        baselines = fitted(plug, baselines, data, config["required_baselines"], [part])
    started = time.perf_counter()
    trainer = scoring_trainer()
    plug.test(trainer, task, data, part)
    seconds = {part: time.perf_counter() - started}
    scored = plug.score_baselines(baselines, task, data, part) if baselines else {}
    return plug.results(
        task,
        data,
        part,
        baselines=scored,
        seconds=seconds,
        facts={"checkpoint": str(Path(config["checkpoint"]).resolve()), **chosen_by(baselines)},
    )

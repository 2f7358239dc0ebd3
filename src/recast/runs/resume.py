"""Resuming a run: finding its last state, and checking that it is the same run."""

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from recast.errors import CheckpointError, ConfigurationError
from recast.runs.checkpoints.checkpoint import read
from recast.training.callbacks.last_checkpoint import FINISHED, SECONDS
from recast.training.checkpoint_format import KEY, last_checkpoint_path

log = logging.getLogger(__name__)

FIXED = ("data", "model", "task", "metrics", "optimizer", "learning_rate", "trainer", "seed", "init_from", "init_keeps")
"""What must be the same when training goes on."""


@dataclass(frozen=True)
class LastState:
    """The state that a run resumes from; see `recast.training.resuming` for what it holds.

    Args:
        path: Its file.
        step: Optimiser steps taken. [steps]
        finished: Whether training had finished.
        fingerprint: SHA-256 of the data trained on.
        seconds: How long the attempts took that led to it. [s]
    """

    path: Path
    step: int
    finished: bool
    fingerprint: str
    seconds: float

    def check_same_data(self, fingerprint: str) -> None:
        """Raises CheckpointError where the run was trained on data with another fingerprint."""
        if self.fingerprint != fingerprint:
            raise CheckpointError(
                f"the run was trained on other data (SHA-256 {self.fingerprint[:12]}..., now "
                f"{fingerprint[:12]}...); resume with the same data, or start without resume"
            )


def state_to_resume(config: dict[str, Any], folder: Path) -> LastState | None:
    """The last state of the run in `folder`; None where training starts at the beginning.

    Raises:
        ConfigurationError: if the folder holds a run that is not to be resumed, or one with other options.
        CheckpointError: if the state cannot be read.
    """
    path = last_checkpoint_path(folder)
    if not config["resume"]:
        if path.exists():
            raise ConfigurationError(
                f"{folder} holds a run already; give resume=true to go on with it, or another hydra.run.dir"
            )
        return None
    if not path.exists():
        log.info("no state to resume from in %s: training starts at the beginning", folder)
        return None
    checkpoint = read(path)
    before = checkpoint[KEY].get("config", {}) | _recorded(folder)
    differing = [part for part in FIXED if part in before and _text(before[part]) != _text(config[part])]
    if differing:
        raise ConfigurationError(
            f"{path}: it was trained with other options of {', '.join(differing)}; resume with the same ones "
            f"(see {folder / 'config.yaml'}), or start without resume"
        )
    log.info("resuming from %s at step %d", path, checkpoint["global_step"])
    return LastState(
        path=path,
        step=checkpoint["global_step"],
        finished=checkpoint.get(FINISHED, False),
        fingerprint=str(checkpoint[KEY].get("fingerprint")),
        seconds=float(checkpoint.get(SECONDS, 0.0)),
    )


def _text(node: Any) -> str:
    """Options as text: in a list of options a number that is none (`missing=[nan]`) is not equal to itself."""
    return json.dumps(node, sort_keys=True, default=str)


def _recorded(folder: Path) -> dict[str, Any]:
    """The whole configuration that the run in `folder` was started with; its checkpoints hold the part they need."""
    path = folder / "config.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}

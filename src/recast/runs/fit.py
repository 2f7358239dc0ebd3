"""One training run, from a checked configuration to a complete run folder."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import yaml
from lightning.fabric.utilities.exceptions import MisconfigurationException

from recast.data.sources.table import Table
from recast.errors import ConfigurationError
from recast.runs.checkpoints.checkpoint import read
from recast.runs.checkpoints.size import fits_into_memory
from recast.runs.checkpoints.trained_imputer import TrainedImputer, imputer_for
from recast.runs.checkpoints.whole_model import whole_model
from recast.runs.configure.build import build
from recast.runs.hyperparameters import log_final, log_options
from recast.runs.initial_state import initial_state
from recast.runs.machine import set_up
from recast.runs.provenance import provenance
from recast.runs.results import RunResults
from recast.runs.resume import LastState, state_to_resume
from recast.runs.tasks.find import chosen_by, fitted, plug_of
from recast.runs.trainer import build_trainer, check_monitors, check_parts, check_training
from recast.system.files import write_json, write_text
from recast.training.callbacks.best_checkpoint import selection
from recast.training.checkpoint_format import chosen_checkpoint_path
from recast.training.training_task import TrainingTask

log = logging.getLogger(__name__)

LATER_OPTIONS = {
    "learning_rate": None,
    "required_baselines": [],
    "init_from": None,
    "init_keeps": [],
    "keep_forecasts": False,
}
"""Options that configurations of earlier versions lack, with what they stood for."""


def run(config: dict[str, Any], folder: Path, table: Table | None = None) -> RunResults:
    """Trains, scores the best state on the test part beside the baselines, and fills the run folder.

    Args:
        config: A configuration of recast-train that has passed the check, in plain containers.
        folder: The run folder. With `resume` and a state in it, training continues from that state.
        table: What is read in place of the data that the configuration names; None: those.

    Raises:
        InputError: if data or options do not fit.
        NonFiniteLossError: if training diverges.
        StoppedBySignalError: if a signal came; the state is saved.
    """
    config = {**LATER_OPTIONS, **config}
    plug = plug_of(config)
    set_up(config)
    pl.seed_everything(config["seed"], verbose=False)
    check_training(config)
    initial = initial_state(config, plug)
    resumed = state_to_resume(config, folder)
    trainer = build_trainer(config, folder, resumed)
    data = _data(config, table)
    imputer = imputer_for(data, None if resumed is None else resumed.path)
    if initial is not None:
        initial.scale(data)
    log.info("%s", plug.summary(data))
    check_parts(config, plug.counts(data))
    if resumed is not None:
        resumed.check_same_data(data.fingerprint)
    if trainer.is_global_zero:
        write_text(folder / "config.yaml", yaml.safe_dump(config, sort_keys=False))
        write_json(folder / "provenance.json", provenance() | {"data": plug.data_facts(data)})
    task = build_task(config, data.spec, imputer)
    check_monitors(trainer, task)
    if config["keep_forecasts"]:
        plug.keep_forecasts(task, trainer)

    # Training counts all attempts.
    seconds = {} if resumed is None else {"fit": resumed.seconds}
    with _timed(seconds, "baselines"):
        baselines = {name: build(node) for name, node in config["baselines"].items() if node}
        baselines = fitted(plug, baselines, data, config["required_baselines"])
        plug.before_training(baselines, task, data, trainer, kept=frozenset() if initial is None else initial.keeps)
        if initial is not None:
            initial.load(task)
    with _timed(seconds, "fit"):
        if not plug.counts(data)["validation"]:
            trainer.limit_val_batches = 0
        steps = _train(trainer, task, data, resumed, config)
    chosen = chosen_checkpoint_path(folder)
    checkpoint = read(chosen)
    task.load_state_dict(checkpoint["state_dict"])
    with _timed(seconds, "after_fit"):
        plug.after_training(trainer, task, data, chosen)
    with _timed(seconds, "test"):
        plug.test(trainer, task, data, "test")
    with _timed(seconds, "baselines"):
        scores = plug.score_baselines(baselines, task, data, "test")
    results = plug.results(
        task,
        data,
        "test",
        baselines=scores,
        seconds=seconds,
        facts={
            "seed": config["seed"],
            "parameters": sum(parameter.numel() for parameter in task.model.parameters()),
            "steps": steps,
            "checkpoint": str(chosen.relative_to(folder)),
            "selection": selection(checkpoint),
            **chosen_by(baselines),
            **({} if initial is None else initial.facts),
        },
    )
    if trainer.is_global_zero:
        plug.draw(trainer, task, data, results)
        log_final(trainer, config, results)
        results.write(folder)
    return results


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - started


def _data(config: dict[str, Any], table: Table | None) -> Any:
    """The data module, nothing read yet."""
    data = build(config["data"])
    if table is not None:
        data.read_from(table)
    return data


def build_task(config: dict[str, Any], spec: Any, imputer: TrainedImputer | None = None) -> TrainingTask:
    """The untrained task that a configuration describes, with its model.

    Args:
        config: A configuration of recast-train that has passed the check, in plain containers.
        spec: What the model must know of the data.
        imputer: The imputation model that fills its contexts; None: none, or one without its weights.

    Raises:
        CheckpointError: if the imputer's weights do not fit.
        ConfigurationError: if parts do not fit each other or the data, or the weights do not fit into the memory.
    """
    learning_rate = config["learning_rate"]
    with fits_into_memory("model"):
        model = whole_model(config["model"], spec)
    if imputer is not None:
        imputer.load(model)
    return build(config["task"])(
        model=model,
        optimizer=build(config["optimizer"]),
        learning_rate=build(learning_rate) if learning_rate else None,
        metrics={name: build(node) for name, node in config["metrics"].items()},
    )


def _train(
    trainer: pl.Trainer,
    task: TrainingTask,
    data: pl.LightningDataModule,
    resumed: LastState | None,
    config: dict[str, Any],
) -> int:
    """Trains to the end unless the run was already there; returns the total number of optimiser steps."""
    log_options(trainer, config)
    if resumed is not None and resumed.finished:
        return resumed.step
    checkpoint = None if resumed is None else str(resumed.path)
    try:
        trainer.fit(task, data, ckpt_path=checkpoint, weights_only=True)
    except MisconfigurationException as error:
        raise ConfigurationError(str(error)) from error
    return trainer.global_step

"""The Trainer of a run, and checks of its options before any data are read."""

import logging
import os
import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import EarlyStopping, LearningRateMonitor, ProgressBar
from lightning.pytorch.loggers import Logger
from lightning.pytorch.trainer.connectors.signal_connector import _SignalConnector

from recast.errors import ConfigurationError
from recast.runs.checkpoints.io import WholeCheckpointIO
from recast.runs.configure.build import build
from recast.runs.configure.targets import resolve
from recast.runs.configure.wording import suggestion
from recast.runs.hyperparameters import run_name
from recast.runs.resume import LastState
from recast.system.distribution import how_to_install
from recast.system.processes import rank
from recast.training.loggers.adapter import LoggedRun
from recast.training.loggers.find import ANY, adapter_of
from recast.training.training_task import TrainingTask


def quiet_lightning() -> None:
    """Keeps Lightning's warnings, each once, and silences its remarks on accelerators and products."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.setLevel(logging.WARNING)
    if rank() > 0:
        # One of several processes says what they all do.
        logging.getLogger().setLevel(logging.WARNING)
    # Lightning 2.6 on torch 2.13; nothing that a user of recast could change.
    warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)` is deprecated")
    # Said wherever SLURM is installed; recast's jobs are started without srun.
    warnings.filterwarnings("ignore", message="The `srun` command is available on your system but is not used")


STRATEGIES = ("auto", "ddp", "ddp_find_unused_parameters_true")
"""Ways of training in one process or in several."""


def check_optimizer(node: dict[str, Any]) -> None:
    """Raises ConfigurationError where torch refuses the optimiser's options.

    Torch does not state their ranges otherwise.
    """
    try:
        build(node)([torch.nn.Parameter(torch.zeros(1))])
    except (ValueError, TypeError, RuntimeError) as error:
        raise ConfigurationError(f"optimizer: {error}") from error


def check_clipping(config: dict[str, Any]) -> None:
    """Raises ConfigurationError for a fused optimiser that is to be clipped under mixed precision."""
    trainer, optimizer = config["trainer"], config["optimizer"]
    mixed = str(trainer.get("precision", "")).endswith("-mixed")
    if mixed and optimizer.get("fused") and trainer.get("gradient_clip_val"):
        raise ConfigurationError(
            f"optimizer.fused=true cannot be clipped under trainer.precision={trainer['precision']}: it unscales the "
            "gradients itself; give optimizer.fused=false or trainer.gradient_clip_val=null"
        )


def check_strategy(config: dict[str, Any]) -> None:
    """Raises ConfigurationError for a way of training on several devices whose results would be lost or not equal."""
    strategy = config["trainer"].get("strategy") or "auto"
    if isinstance(strategy, str) and strategy not in STRATEGIES:
        raise ConfigurationError(
            f"trainer.strategy={strategy}: recast trains in one process, or in several of which each is started as a "
            f"command of its own{suggestion(strategy, STRATEGIES)}"
        )


NEEDED = {
    "max_epochs": "nothing is trained",
    "max_steps": "nothing is trained",
    "limit_train_batches": "nothing is trained",
    "limit_test_batches": "nothing is scored",
}
"""Options of the Trainer that may not be 0, and what 0 would mean."""


def check_length(config: dict[str, Any]) -> None:
    """Raises ConfigurationError for a Trainer that would train or score nothing, or keep no state to score."""
    trainer = config["trainer"]
    for option, consequence in NEEDED.items():
        value = trainer.get(option)
        if value == 0 and value is not False:
            raise ConfigurationError(f"trainer.{option}={value}: {consequence}; give 1 or more")
    if trainer.get("fast_dev_run"):
        raise ConfigurationError(
            f"trainer.fast_dev_run={trainer['fast_dev_run']}: keeps no state, from which the test part is scored; "
            "trainer=smoke is a short run"
        )
    if trainer.get("enable_checkpointing") is False:
        raise ConfigurationError(
            "trainer.enable_checkpointing=false: keeps no state, from which the test part is scored; leave it out"
        )


def check_loggers(config: dict[str, Any]) -> None:
    """Raises ConfigurationError for a logger whose package is not installed."""
    for name, node in config["logger"].items():
        adapter = adapter_of(resolve(node["_target_"])) if node else ANY
        if adapter.package and find_spec(adapter.package) is None:
            raise ConfigurationError(
                f"logger.{name}: needs the package {adapter.package}, which is not installed: "
                f"{how_to_install(adapter.extra)}; or choose logger=tensorboard"
            )


def check_training(config: dict[str, Any]) -> None:
    """Raises ConfigurationError for an optimiser, Trainer or logger that cannot be used, before data are read."""
    check_optimizer(config["optimizer"])
    check_clipping(config)
    check_strategy(config)
    check_length(config)
    check_loggers(config)


def check_parts(config: dict[str, Any], counts: Mapping[str, int]) -> None:
    """Raises ConfigurationError where a part of the data has no samples, though something needs it.

    Args:
        config: The run's configuration.
        counts: Samples of each part.
    """
    if not counts["test"]:
        raise ConfigurationError(
            "the test part is empty, and scores are those of the test part; give it rows: data.split.test=0.2, or with "
            "data/split=time a date before the end of the data"
        )
    if counts["validation"] and config["trainer"].get("limit_val_batches") != 0:
        return
    remedy = "give the validation part rows (data.split.validation=0.1)"
    if counts["validation"]:
        remedy = "leave trainer.limit_val_batches=0 out"
    rate = config.get("learning_rate")
    if rate and rate.get("monitor"):
        raise ConfigurationError(
            f"learning_rate.monitor={rate['monitor']}: nothing is validated; {remedy}, or "
            "choose learning_rate=one_cycle"
        )
    for name, node in config["callbacks"].items():
        # Looked at after validation alone it is idle without one; else Lightning fails at the end of the first epoch.
        stops = bool(node) and issubclass(resolve(node["_target_"]), EarlyStopping)
        if stops and node.get("check_on_train_epoch_end") is not False:
            raise ConfigurationError(f"callbacks.{name}: nothing is validated; {remedy}, or give callbacks.{name}=null")


def check_monitors(trainer: pl.Trainer, task: TrainingTask) -> None:
    """Finds the curves that monitors of the ranking metric stand for.

    Raises:
        ConfigurationError: for a monitor that is no curve; Lightning would find it after the first epoch.
    """
    curves = task.validation_curves
    for part in (*trainer.checkpoint_callbacks, *trainer.early_stopping_callbacks, task.learning_rate):
        monitor = task.curve(getattr(part, "monitor", None))
        if monitor is not None:
            vars(part)["monitor"] = monitor
        if monitor is not None and monitor not in curves:
            name = type(part).__name__
            raise ConfigurationError(f"{name}: monitor={monitor}: no such curve{suggestion(monitor, curves)}")


def build_trainer(config: dict[str, Any], folder: Path, resumed: LastState | None) -> pl.Trainer:
    """The Trainer with its callbacks and loggers.

    Args:
        config: The run's configuration.
        folder: The run folder.
        resumed: The state that training goes on from; None at the beginning.

    Raises:
        ConfigurationError: if Lightning refuses the options, or the machine lacks what they ask for.
    """
    run = LoggedRun(folder.absolute(), run_name(folder), resumed.step if resumed else None)
    loggers = [
        _installed(f"logger.{name}", lambda: _logger(node, run))  # noqa: B023 called at once
        for name, node in config["logger"].items()
        if node
    ]
    callbacks: list[pl.Callback] = [
        _installed(f"callbacks.{name}", lambda: build(node))  # noqa: B023 called at once
        for name, node in config["callbacks"].items()
        if node
    ]
    if not loggers:
        # Lightning refuses it then.
        callbacks = [callback for callback in callbacks if not isinstance(callback, LearningRateMonitor)]
    # Lightning else puts in one of its own.
    bar = {} if any(isinstance(callback, ProgressBar) for callback in callbacks) else {"enable_progress_bar": False}
    try:
        trainer = build(config["trainer"])(
            default_root_dir=str(folder),
            callbacks=callbacks,
            logger=loggers,
            **bar,
            plugins=[WholeCheckpointIO(), *_environment(config)],
        )
    except (MisconfigurationException, ValueError, TypeError) as error:
        raise ConfigurationError(f"trainer: {error}") from error
    trainer._signal_connector = _NoSignals(trainer)  # noqa: SLF001 it has no switch
    if trainer.world_size > 1:
        # Lightning would share all cores out among the processes.
        os.environ.setdefault("OMP_NUM_THREADS", str(config["threads"]))
    return trainer


def _logger(node: dict[str, Any], run: LoggedRun) -> Logger:
    kind = resolve(node["_target_"])
    return build(node)(**adapter_of(kind).arguments(node, kind, run))


def _installed(key: str, make: Callable[[], Any]) -> Any:
    """What `make` returns; Lightning looks for some packages only when a part that needs one is made."""
    try:
        return make()
    except ModuleNotFoundError as error:
        said = str(error).strip().split("\n", maxsplit=1)[0]
        raise ConfigurationError(
            f"{key}: needs a package that is not installed ({said}); install it, or give {key}=null"
        ) from error


class _NoSignals(_SignalConnector):
    """Leaves signals to `recast.system.signals`.

    Lightning would exit with 0 on SIGTERM, which a cluster takes for success, save and requeue by itself under SLURM,
    and talk to the other processes from within the handler.
    """

    def register_signal_handlers(self) -> None:
        """Registers none."""


def _environment(config: dict[str, Any]) -> list[ClusterEnvironment]:
    """Several processes in one task of SLURM are started as elsewhere; Lightning would ask for a task for each."""
    one_task = os.environ.get("SLURM_NTASKS") == "1"
    return [LightningEnvironment()] if one_task and config["trainer"].get("devices") not in (1, "1", None) else []


def scoring_trainer(folder: Path | None = None) -> pl.Trainer:
    """A trainer that scores on one device, and writes nothing itself.

    Args:
        folder: Where pictures of what it scored are drawn; none: nowhere in particular.
    """
    return pl.Trainer(
        default_root_dir=None if folder is None else str(folder),
        accelerator="auto",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )

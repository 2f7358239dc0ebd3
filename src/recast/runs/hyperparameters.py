"""TensorBoard's table of hyper-parameters and final metrics."""

import json
from typing import Any

import lightning.pytorch as pl
from lightning.pytorch.loggers import TensorBoardLogger

from recast.runs.run_results import RunResults


def log_hyperparameters(trainer: pl.Trainer, config: dict[str, Any], results: RunResults) -> None:
    """Fills the HPARAMS tab with the run's options and the test metrics."""
    values = {f"test/{name}": value for name, value in results.overall.items()}
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.log_hyperparams(_hyperparameters(config), values, step=results.facts["steps"])
            logger.save()


def _hyperparameters(config: dict[str, Any]) -> dict[str, Any]:
    """What one compares runs by; the model's options without prefix, since TensorBoard shows the first ones by name."""
    kept = ("source", "grid", "scaler", "windows", "validation", "batch_size")
    data = {key: config["data"][key] for key in kept if key in config["data"]}
    windows = config["data"].get("windows", {})
    return {
        **_flat(config["model"]),
        **{f"data.{key}": value for key, value in _flat(data).items() if "." not in key},
        **{f"data.{key}": windows[key] for key in ("context", "horizon") if key in windows},
        **_flat({key: config[key] for key in ("optimizer", "learning_rate")}),
        "max_epochs": config["trainer"].get("max_epochs"),
        "seed": config["seed"],
    }


def _flat(node: Any, key: str = "") -> dict[str, Any]:
    """Options by dotted key, a part by its class name."""
    if not isinstance(node, dict):
        return {key: node if isinstance(node, (int, float, str, bool)) else json.dumps(node)}
    flat = {}
    for name, value in node.items():
        if name == "_target_" and key:
            flat[key] = value.rpartition(".")[2]
        elif name not in ("_target_", "_partial_"):
            flat |= _flat(value, f"{key}.{name}" if key else name)
    return flat

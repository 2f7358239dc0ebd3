"""What the loggers are told of a run: its name, its options, and the final metrics."""

import json
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import yaml

from recast.runs.configure.targets import resolve
from recast.runs.results import RunResults
from recast.training.loggers.find import adapter_of

SWEEP_DEPTH = 3  # folders above a job's own in which its sweep is looked for


def log_options(trainer: pl.Trainer, config: dict[str, Any]) -> None:
    """Gives the options by which runs are compared to the loggers, before training."""
    options = {**_hyperparameters(config), **swept_options(Path(trainer.default_root_dir))}
    for logger in trainer.loggers:
        adapter_of(type(logger)).begin(logger, options)


def log_final(trainer: pl.Trainer, config: dict[str, Any], results: RunResults) -> None:
    """Gives the test metrics to the loggers' tables: those of the swept options in a sweep, otherwise of all."""
    scores = {f"{name}/test": value for name, value in results.overall.items()}
    options = swept_options(Path(trainer.default_root_dir)) or _hyperparameters(config)
    for logger in trainer.loggers:
        adapter_of(type(logger)).end(logger, options, scores, results.facts["steps"])


def run_name(folder: Path) -> str:
    """What a run is called: by its folder, and the one above where that is but a time or a number."""
    folder = folder.resolve()
    return folder.name if any(map(str.isalpha, folder.name)) else f"{folder.parent.name}/{folder.name}"


def hints(config: dict[str, Any], folder: Path, *, many: bool = False) -> list[str]:
    """Lines that say where to look at what loggers wrote.

    Args:
        config: A configuration of recast-train.
        folder: The run folder, or that of a sweep.
        many: Whether it is that of a sweep.
    """
    nodes = [node for node in config["logger"].values() if node]
    lines = [adapter_of(resolve(node["_target_"])).hint(node, folder, many=many) for node in nodes]
    return [line for line in lines if line]


def swept_options(folder: Path) -> dict[str, Any]:
    """The swept options, by their names on the command line such as `model/cell`; none for a run outside a sweep.

    Args:
        folder: The run's folder.
    """
    for parent in list(folder.resolve().parents)[:SWEEP_DEPTH]:
        for job in _list(_read(parent / "jobs.json")):
            if isinstance(job, dict) and (parent / str(job.get("folder"))).resolve() == folder.resolve():
                return {key: _value(text) for key, text in _mapping(job.get("swept")).items()}
        sweep = _read(parent / "multirun.yaml")
        if sweep is not None:
            # Of Hydra's own launchers: what differs from the command line was chosen for this job.
            given = _list(_mapping(_mapping(_mapping(sweep).get("hydra")).get("overrides")).get("task"))
            own = [override for override in _list(_read(folder / ".hydra" / "overrides.yaml")) if override not in given]
            pairs = (str(override).lstrip("+").partition("=") for override in own)
            return {key: _value(text) for key, _, text in pairs}
    return {}


def _read(path: Path) -> Any:
    """What a YAML or JSON file holds; None where there is none. A missing table does not stop a run."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None


def _list(node: Any) -> list[Any]:
    return node if isinstance(node, list) else []


def _mapping(node: Any) -> dict[str, Any]:
    return node if isinstance(node, dict) else {}


def _value(text: Any) -> Any:
    """A number where the text is one, so that TensorBoard sorts by size."""
    for kind in (int, float):
        try:
            return kind(text)
        except (TypeError, ValueError):
            continue
    return str(text)


def _hyperparameters(config: dict[str, Any]) -> dict[str, Any]:
    """The options by which runs are compared.

    The model's options without prefix, since TensorBoard shows the first ones by name.
    """
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

"""One training run, from a checked configuration to a complete run folder."""

import json
import logging
import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
import yaml
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import LearningRateMonitor, ProgressBar
from lightning.pytorch.loggers import TensorBoardLogger

from recast.baselines.baseline import Baseline
from recast.callbacks.best_checkpoint import best_checkpoint_path
from recast.callbacks.forecast_figures import log_figure
from recast.callbacks.last_checkpoint import FINISHED, last_checkpoint_path
from recast.callbacks.provenance import KEY, Provenance
from recast.callbacks.windows_to_show import forecast_windows
from recast.checkpoint import describe, read
from recast.checkpoint_io import WholeCheckpointIO
from recast.configure.build import build
from recast.configure.wording import suggestion
from recast.datamodule import ForecastDataModule
from recast.errors import CheckpointError, ConfigurationError
from recast.figures.leads import lead_errors
from recast.figures.panels import forecast_panels
from recast.files import write_json, write_text
from recast.metrics.lead_metric import LeadMetric
from recast.provenance import provenance
from recast.results import Results
from recast.scores import Scores, fit_baselines, read_scores, score_baseline
from recast.task import ForecastTask

log = logging.getLogger(__name__)

FIXED = ("data", "model", "task", "metrics", "optimizer", "learning_rate", "trainer", "seed")
"""What must be the same when training goes on."""


def run(config: dict[str, Any], folder: Path) -> Results:
    """Trains, scores the best state on the test part beside the baselines, and fills the run folder.

    Args:
        config: A configuration of recast-train that has passed the check, in plain containers.
        folder: The run folder. With `resume` and a state in it, training goes on from there.

    Raises:
        InputError: if data or options do not fit.
        NonFiniteLossError: if training diverges.
        StoppedBySignalError: if a signal came; the state is saved.
    """
    config = {"learning_rate": None, **config}
    torch.set_num_threads(config["threads"])
    pl.seed_everything(config["seed"], verbose=False)
    _check_optimizer(config["optimizer"])
    resumed = _state_to_resume(config, folder)
    described = Provenance()
    trainer = _trainer(config, folder, described, resumed)
    data: ForecastDataModule = build(config["data"])
    prepared = data.prepared
    log.info("%s", _summary(data))
    _check_same_data(resumed, prepared.fingerprint)
    described.description = describe(config, prepared)
    write_text(folder / "config.yaml", yaml.safe_dump(config, sort_keys=False))
    write_json(folder / "provenance.json", provenance() | {"data": _data_facts(data)})

    model = build(config["model"])(spec=prepared.spec)
    metrics = {name: build(node) for name, node in config["metrics"].items()}
    task: ForecastTask = build(config["task"])(
        model=model,
        optimizer=build(config["optimizer"]),
        learning_rate=build(config["learning_rate"]) if config["learning_rate"] else None,
        metrics=metrics,
    )
    _check_monitors(trainer, task)
    started = time.perf_counter()
    baselines: dict[str, Baseline] = {name: build(node) for name, node in config["baselines"].items() if node}
    fit_baselines(baselines, prepared)
    if len(prepared.starts.validation):
        scored = _score_baselines(baselines, data, "validation", task)
        task.references = {
            name: np.asarray(scores.per_lead["rmse"]) for name, scores in scored.items() if "rmse" in scores.per_lead
        }
    test_scores = _score_baselines(baselines, data, "test", task)
    seconds = {"baselines": time.perf_counter() - started}

    started = time.perf_counter()
    if resumed is not None and resumed[FINISHED]:
        steps = resumed["global_step"]
    else:
        checkpoint = None if resumed is None else str(last_checkpoint_path(folder))
        try:
            trainer.fit(task, data, ckpt_path=checkpoint, weights_only=True)
        except MisconfigurationException as error:
            raise ConfigurationError(str(error)) from error
        steps = trainer.global_step
    seconds["fit"] = time.perf_counter() - started
    chosen = best_checkpoint_path(folder)
    chosen = chosen if chosen.exists() else last_checkpoint_path(folder)
    task.load_state_dict(read(chosen)["state_dict"])

    started = time.perf_counter()
    trainer.test(task, data, verbose=False)
    seconds["test"] = time.perf_counter() - started
    results = Results(
        part="test",
        unit=prepared.spec.unit,
        windows=_windows(data),
        model=read_scores(task.metrics_of("test")),
        baselines=test_scores,
        seconds=seconds,
        facts={
            "seed": config["seed"],
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "steps": steps,
            "checkpoint": str(chosen.relative_to(folder)),
        },
    )
    if trainer.is_global_zero:
        _draw(trainer, task, data, results)
        _log_hyperparameters(trainer, config, results)
        results.write(folder)
    return results


def _summary(data: ForecastDataModule) -> str:
    prepared, windows = data.prepared, _windows(data)
    counts = ", ".join(f"{count} {part}" for part, count in windows.items())
    return (
        f"{prepared.series.label}: {len(prepared.series)} rows every {prepared.spec.step}, "
        f"{len(prepared.series.starts)} piece(s); windows: {counts}"
    )


def _windows(data: ForecastDataModule) -> dict[str, int]:
    return {part: len(starts) for part, starts in data.prepared.starts._asdict().items()}


def _data_facts(data: ForecastDataModule) -> dict[str, Any]:
    prepared = data.prepared
    return {
        "label": prepared.series.label,
        "fingerprint": prepared.fingerprint,
        "rows": len(prepared.series),
        "pieces": len(prepared.series.starts),
        "first": str(prepared.series.times[0]),
        "last": str(prepared.series.times[-1]),
        "spec": prepared.spec.to_dict(),
        "parts": {part: list(rows) for part, rows in prepared.parts._asdict().items()},
        "windows": _windows(data),
    }


def _check_optimizer(node: dict[str, Any]) -> None:
    """Torch states the ranges of its options only by refusing them."""
    try:
        build(node)([torch.nn.Parameter(torch.zeros(1))])
    except (ValueError, TypeError, RuntimeError) as error:
        raise ConfigurationError(f"optimizer: {error}") from error


def _check_monitors(trainer: pl.Trainer, task: ForecastTask) -> None:
    """Lightning would find a wrong name after the first epoch."""
    curves = [f"{name}/validation" for name in task.metrics_of("validation")]
    curves += ["mse/teacher_forced", "exposure_bias"]
    for part in (*trainer.checkpoint_callbacks, *trainer.early_stopping_callbacks, task.learning_rate):
        monitor = getattr(part, "monitor", None)
        if monitor is not None and monitor not in curves:
            name = type(part).__name__
            raise ConfigurationError(f"{name}: monitor={monitor}: no such curve{suggestion(monitor, curves)}")


def _state_to_resume(config: dict[str, Any], folder: Path) -> dict[str, Any] | None:
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
    before = checkpoint[KEY]["config"] | _recorded(folder)
    differing = [part for part in FIXED if part in before and before[part] != config[part]]
    if differing:
        raise ConfigurationError(
            f"{path}: it was trained with other options of {', '.join(differing)}; resume with the same ones "
            f"(see {folder / 'config.yaml'}), or start without resume"
        )
    log.info("resuming from %s at step %d", path, checkpoint["global_step"])
    return checkpoint


def _recorded(folder: Path) -> dict[str, Any]:
    """The whole configuration that the run in `folder` was started with; its checkpoints hold the part they need."""
    path = folder / "config.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}


def _check_same_data(resumed: dict[str, Any] | None, fingerprint: str) -> None:
    if resumed is not None and resumed[KEY]["fingerprint"] != fingerprint:
        raise CheckpointError(
            f"the run was trained on other data (SHA-256 {resumed[KEY]['fingerprint'][:12]}..., now "
            f"{fingerprint[:12]}...); resume with the same data, or start without resume"
        )


def _trainer(config: dict[str, Any], folder: Path, described: Provenance, resumed: dict[str, Any] | None) -> pl.Trainer:
    loggers = []
    for node in config["logger"].values():
        if node:
            # Points that a killed run wrote after its last checkpoint would stand beside those written anew.
            purge = {"purge_step": resumed["global_step"]} if resumed and _is_tensorboard(node) else {}
            loggers.append(build(node)(save_dir=str(folder), **purge))
    callbacks: list[pl.Callback] = [build(node) for node in config["callbacks"].values() if node]
    if not loggers:
        # Lightning refuses it then.
        callbacks = [callback for callback in callbacks if not isinstance(callback, LearningRateMonitor)]
    # Lightning else puts in one of its own.
    bar = {} if any(isinstance(callback, ProgressBar) for callback in callbacks) else {"enable_progress_bar": False}
    try:
        return build(config["trainer"])(
            default_root_dir=str(folder),
            callbacks=[described, *callbacks],
            logger=loggers,
            **bar,
            plugins=[WholeCheckpointIO()],
        )
    except (MisconfigurationException, ValueError, TypeError) as error:
        raise ConfigurationError(f"trainer: {error}") from error


def _is_tensorboard(node: dict[str, Any]) -> bool:
    return node["_target_"].endswith("TensorBoardLogger")


def _score_baselines(
    baselines: dict[str, Baseline], data: ForecastDataModule, part: str, task: ForecastTask
) -> dict[str, Scores]:
    metrics: dict[str, LeadMetric] = task.metrics_of("test")
    return {name: score_baseline(baseline, data.prepared, part, metrics) for name, baseline in baselines.items()}


def _draw(trainer: pl.Trainer, task: ForecastTask, data: ForecastDataModule, results: Results) -> None:
    spec = data.spec
    panels = forecast_windows(task, data, "test", 4)
    title = f"{spec.names[0]}: test, {results.facts['checkpoint']}"
    log_figure(
        trainer, "test_forecasts", forecast_panels(panels, unit=spec.units[0], title=title, timezone=spec.timezone)
    )
    curves = {"model": results.model, **results.baselines}
    errors = {name: np.asarray(scores.per_lead["rmse"]) for name, scores in curves.items() if "rmse" in scores.per_lead}
    if "model" in errors:
        figure = lead_errors(errors, unit=spec.unit, metric="RMSE", step=spec.step, highlight="model")
        log_figure(trainer, "test_error_per_lead", figure)


def _log_hyperparameters(trainer: pl.Trainer, config: dict[str, Any], results: Results) -> None:
    values = {f"test/{name}": value for name, value in results.model.overall.items()}
    for logger in trainer.loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.log_hyperparams(_hyperparameters(config), values, step=trainer.global_step)
            logger.save()


def _hyperparameters(config: dict[str, Any]) -> dict[str, Any]:
    """What one compares runs by; the model's options without prefix, since TensorBoard shows the first ones by name."""
    data = {key: config["data"][key] for key in ("source", "grid", "scaler", "windows", "batch_size")}
    return {
        **_flat(config["model"]),
        **{f"data.{key}": value for key, value in _flat(data).items() if "." not in key},
        "data.context": config["data"]["windows"]["context"],
        "data.horizon": config["data"]["windows"]["horizon"],
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

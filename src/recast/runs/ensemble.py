"""One forecaster out of several finished runs."""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from lightning.fabric.utilities.apply_func import move_data_to_device

from recast.data.datamodule import ForecastDataModule
from recast.data.sources.frame import FrameSource
from recast.data.sources.table import Table
from recast.errors import CheckpointError, ConfigurationError, DataError
from recast.nn.ensemble.ensemble import Combine, Ensemble
from recast.runs.calibrate import calibrate, keep_in, set_apart
from recast.runs.checkpoints.checkpoint import fitting
from recast.runs.checkpoints.io import WholeCheckpointIO
from recast.runs.configure.build import build
from recast.runs.configure.check import check
from recast.runs.configure.training_options import TrainOptions
from recast.runs.fit import build_task
from recast.runs.machine import set_up
from recast.runs.members import OVERRIDES, Member, overrides_of, require_agreement, seeds_of
from recast.runs.provenance import provenance
from recast.runs.restored_forecast import require_windows, restore_forecaster
from recast.runs.results import RunResults
from recast.runs.tasks.find import chosen_by, fitted
from recast.runs.trainer import scoring_trainer
from recast.scoring.baselines.baseline import Baseline
from recast.system.files import write_json, write_text
from recast.training.checkpoint_format import KEY, best_checkpoint_path, chosen_checkpoint_path
from recast.training.provenance import describe
from recast.training.stacking import fit_weights
from recast.training.task import ForecastTask
from recast.types import Batch

log = logging.getLogger(__name__)


def ensemble(
    members: Sequence[tuple[Path, Mapping[str, Any]]], output: Path, *, combine: Combine, table: Table | None = None
) -> RunResults:
    """Makes one forecaster of several runs, scores it like a run, and fills a run folder.

    The scores are those of the windows that the members were tested on, beside the baselines of the first. Weights are
    fitted on validation windows; so are bands again, where those of the members are calibrated.

    Args:
        members: Folder of each run, and the content of its metrics.json.
        output: The folder, which is made.
        combine: How; see `Ensemble`.
        table: What the members were trained on, where no file holds it; None: the data that they name.

    Raises:
        ConfigurationError: if there are fewer than two runs, one is a backtest, or they forecast different things; if
            no weights can be fitted.
        CheckpointError: if a checkpoint cannot be read safely, or does not forecast.
        DataError: if the data are gone or have changed.
    """
    for folder, results in members:
        if "backtest" in results:
            raise ConfigurationError(
                f"{folder}: a backtest, whose forecasts are those of several networks, and whose checkpoint is the "
                "last of them; an ensemble has runs for members: leave it out"
            )
    if len(members) < 2:
        raise ConfigurationError(f"an ensemble has two members at least; found {len(members)} finished run")
    runs = [Member(folder, restore_forecaster(chosen_checkpoint_path(folder)), results) for folder, results in members]
    require_agreement(runs)
    first = runs[0].restored
    config = _config(runs, combine)
    set_up(config)
    started = time.perf_counter()
    data = _data(runs[0], table)
    task = build_task(config, first.spec)
    if not isinstance(task, ForecastTask) or not isinstance(task.model, Ensemble):
        raise ConfigurationError(f"{runs[0].folder}: its task does not forecast a series")
    for model, run in zip(task.model.models, runs, strict=True):
        model.load_state_dict(run.restored.task.model.state_dict())
    trainer = scoring_trainer(output)
    task.to(trainer.strategy.root_device).eval()
    task.calibration_windows = set_apart(task, data)
    if combine == "weights":
        names = [str(run.folder) for run in runs]
        weights = fit_weights(task.model, _validation(task, data), samples=task.samples["test"], names=names)
        log.info("weights: %s", ", ".join(f"{weight:.3f}" for weight in weights.tolist()))
    if task.calibration_windows is not None:
        calibrate(task, data, task.calibration_windows)
    seconds = {"fit": sum(run.fit_seconds for run in runs) + time.perf_counter() - started}
    started = time.perf_counter()
    first.plug.test(trainer, task, data, "test")
    seconds["test"] = time.perf_counter() - started
    started = time.perf_counter()
    baselines: dict[str, Baseline] = {name: build(node) for name, node in config["baselines"].items() if node}
    used = fitted(first.plug, baselines, data, config["required_baselines"], ["test"])
    scores = first.plug.score_baselines(used, task, data, "test")
    seconds["baselines"] = time.perf_counter() - started
    checkpoint = best_checkpoint_path(output)
    results = first.plug.results(
        task,
        data,
        "test",
        baselines=scores,
        seconds=seconds,
        facts={
            "seed": seeds_of(runs),
            "parameters": sum(parameter.numel() for parameter in task.model.parameters()),
            "steps": sum(int(run.results.get("steps", 0)) for run in runs),
            "checkpoint": str(checkpoint.relative_to(output)),
            "selection": None,
            "ensemble": {
                "combine": combine,
                "members": [str(run.folder.resolve()) for run in runs],
                "weights": task.model.weights.tolist(),
            },
            **chosen_by(used),
        },
    )
    write_text(output / OVERRIDES, yaml.safe_dump(overrides_of(runs, combine)))
    write_text(output / "config.yaml", yaml.safe_dump(config, sort_keys=False))
    write_json(output / "provenance.json", provenance() | {"data": first.plug.data_facts(data)})
    description = describe(model=task.model, task=task, metrics=task.metrics, data=data)
    content = {"state_dict": task.cpu().state_dict(), KEY: description, "callbacks": {}}
    WholeCheckpointIO().save_checkpoint(content, checkpoint)
    keep_in(checkpoint, task)
    first.plug.draw(trainer, task, data, results)
    results.write(output)
    return results


def _config(runs: Sequence[Member], combine: Combine) -> dict[str, Any]:
    """The configuration of the first run with the ensemble in place of its model.

    Raises:
        CheckpointError: if it cannot be read.
    """
    path = runs[0].folder / "config.yaml"
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise CheckpointError(f"{path}: cannot be read ({error.__class__.__name__}); expected that of a run") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path}: holds no configuration; expected that of a run")
    members = {str(number): run.restored.config["model"] for number, run in enumerate(runs, 1)}
    ensemble = {
        "_target_": f"{Ensemble.__module__}.{Ensemble.__name__}",
        "_partial_": True,
        "members": members,
        "combine": combine,
    }
    config = {"learning_rate": None, "required_baselines": [], **found, "model": ensemble}
    # Data and task as the checkpoint has them, whose spec they fit.
    config |= {name: runs[0].restored.config[name] for name in ("data", "task", "metrics")}
    with fitting(path):
        check(config, TrainOptions)
    return config


def _data(run: Member, table: Table | None) -> ForecastDataModule:
    """The data of the training, under its scaling.

    Raises:
        DataError: if they have changed since, or no file holds them.
    """
    data = run.restored.data
    if table is not None:
        data.read_from(table)
    elif isinstance(data.source, FrameSource):
        raise DataError(
            f"{run.folder}: it was trained on a frame of a program (data=frame), which no file holds; train on a file "
            "(data=csv), or call recast.runs.ensemble.ensemble with table=FrameTable(frame, time)"
        )
    data.adopt(run.restored.spec)
    if data.fingerprint != run.restored.fingerprint:
        raise DataError(
            f"{data.prepared.panel.label}: it has changed since the training of {run.folder}, so that the parts are "
            "others now; put the file of the training back"
        )
    require_windows(data, "test")
    return data


def _validation(task: ForecastTask, data: ForecastDataModule) -> Iterator[Batch]:
    starts = data.prepared.starts.validation
    for some in starts.split(data.evaluation_batch_size) if len(starts) else ():
        yield move_data_to_device(data.windows_at(some), task.device)

"""Scoring a checkpoint on a part of its data, or of another file of the same kind."""

import time
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch

from recast.baselines.baseline import Baseline
from recast.checkpoints.checkpoint import restore
from recast.configure.build import build
from recast.errors import ConfigurationError, DataError
from recast.prepare.prepare import rescale
from recast.runs.record import window_counts
from recast.runs.results import Results
from recast.runs.scores import fit_baselines, read_scores, score_baselines


def evaluate(config: dict[str, Any]) -> Results:
    """Scores a checkpoint and the baselines over all windows of a part.

    Args:
        config: A configuration of recast-evaluate that has passed the check, in plain containers.

    Raises:
        InputError: if checkpoint or data cannot be used.
    """
    torch.set_num_threads(config["threads"])
    if config["output"] is not None and (Path(config["output"]) / "config.yaml").exists():
        raise ConfigurationError(f"output={config['output']}: it holds a run, whose results would be overwritten")
    restored = restore(config["checkpoint"])
    task, data = restored.task, restored.data
    data.evaluation_batch_size = config["batch_size"]
    if config["path"] is not None:
        data.source = data.source.for_file(config["path"])
    elif data.prepared.fingerprint != restored.fingerprint:
        raise DataError(
            f"{data.prepared.series.label}: it has changed since the training, so that the parts are others now; give "
            f"path={data.prepared.series.label} to score the file as it is"
        )
    data.prepared = rescale(data.prepared, restored.spec)
    task.samples["test"] = config["samples"]
    part = config["split"]
    baselines: dict[str, Baseline] = {name: build(node) for name, node in config["baselines"].items() if node}
    fit_baselines(baselines, data.prepared)
    metrics = task.metrics_of("test")
    scored = score_baselines(baselines, data.prepared, part, metrics)
    started = time.perf_counter()
    trainer = pl.Trainer(
        accelerator="auto",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.test(task, data.loader(part), verbose=False)
    return Results(
        part=part,
        unit=restored.spec.unit,
        windows=window_counts(data.prepared),
        model=read_scores(metrics),
        baselines=scored,
        seconds={part: time.perf_counter() - started},
        facts={"checkpoint": str(Path(config["checkpoint"]).resolve())},
    )

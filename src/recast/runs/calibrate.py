"""Calibrates the bands of a trained model on validation windows."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Int
from lightning.fabric.utilities.apply_func import move_data_to_device
from torch import Tensor

from recast.data.datamodule import ForecastDataModule
from recast.data.prepare.prepare import Prepared
from recast.errors import ConfigurationError
from recast.nn.fixed_anchors.fixed_anchor import FixedAnchor
from recast.runs.checkpoints.checkpoint import read
from recast.runs.checkpoints.io import WholeCheckpointIO
from recast.scoring.calibration.calibration import Calibration
from recast.scoring.calibration.score_table import ScoreTable
from recast.training.checkpoint_format import CALIBRATION, KEY
from recast.training.evenly import evenly_spaced
from recast.training.task import ForecastTask

log = logging.getLogger(__name__)

MOST = 8192
"""Windows that calibrate; of more, some are chosen evenly: their scores lie in memory."""


def set_apart(task: ForecastTask, data: ForecastDataModule) -> Int[Tensor, " windows"] | None:
    """The windows that calibrate; those that are to do nothing else are taken out of the validation part.

    Args:
        task: The task, before training.
        data: Its data; without these windows in the validation part afterwards.

    Returns:
        First rows of the windows; None without calibration.

    Raises:
        ConfigurationError: if there are no such windows, or none are left to choose the checkpoint on, or the model has
            no band to calibrate.
    """
    calibration = task.calibration
    if calibration is None:
        return None
    if calibration.needs_band and not task.model.head.parts & {"quantiles", "samples"}:
        raise ConfigurationError(
            "calibration=quantile corrects the model's own band, but its head forecasts a point; use calibration=split "
            "or asymmetric, or a head with a band (model/head=quantile)"
        )
    starts = data.prepared.starts.validation
    if not len(starts):
        raise ConfigurationError(
            "task.calibration: bands are calibrated on validation windows, but the validation part has none; give it "
            "rows (data.split), or use calibration=none"
        )
    if not calibration.share:
        return _some(starts)
    share = calibration.share
    first, last = divided(data.prepared, share)
    if not len(first) or not len(last):
        raise ConfigurationError(
            f"task.calibration.share={share}: {len(last)} of {len(starts)} validation windows would calibrate, "
            f"{len(first)} choose the checkpoint; give another share, a longer validation part (data.split), or "
            "share=0"
        )
    log.info("%d validation windows calibrate alone; the checkpoint is chosen on %d others", len(last), len(first))
    data.prepared = replace(data.prepared, starts=data.prepared.starts._replace(validation=first))
    return _some(last)


def calibrating(calibration: Calibration, prepared: Prepared) -> Int[Tensor, " windows"]:
    """The windows that calibrate, of data with all validation windows.

    Args:
        calibration: Which share of them it takes.
        prepared: The data.
    """
    starts = divided(prepared, calibration.share)[1] if calibration.share else prepared.starts.validation
    return _some(starts)


def _some(starts: Tensor) -> Tensor:
    return starts[evenly_spaced(len(starts), MOST)] if len(starts) else starts


def divided(prepared: Prepared, share: float) -> tuple[Int[Tensor, " first"], Int[Tensor, " last"]]:
    """The validation windows before and those of the last share of each item, which have no truth in common.

    Shares of items are rounded so that they add up: of items with one window each, every other one has it in the last
    half.

    Args:
        prepared: The data.
        share: Share of the windows that are last.
    """
    starts, horizon = prepared.starts.validation.numpy(), prepared.spec.horizon
    items = prepared.panel.items_at(starts)
    counts = np.bincount(items, minlength=len(prepared.panel.ids))
    wanted = np.diff(np.floor(share * counts.cumsum() + 0.5 + 1e-9).astype(np.int64), prepend=0)
    is_last = np.arange(len(starts)) >= (counts.cumsum() - wanted)[items]
    first, last = starts[~is_last], starts[is_last]
    # Of each item the truths of the first windows end before those of the last begin.
    begins = np.full(len(counts), np.iinfo(np.int64).max)
    np.minimum.at(begins, items[is_last], last)
    first = first[first + horizon <= begins[items[~is_last]]]
    return torch.from_numpy(first), torch.from_numpy(last)


@torch.no_grad()
def calibrate(task: ForecastTask, data: ForecastDataModule, windows: Int[Tensor, " windows"]) -> None:
    """Calibrates the bands of a task on windows, in its current state.

    Args:
        task: The trained task; `calibrated` is set, its mode restored.
        data: Its data.
        windows: First rows of the windows.

    Raises:
        ConfigurationError: if no truth was observed in them.
    """
    calibration = task.calibration
    if calibration is None:
        return
    training = task.training
    task.eval()
    found = []
    for number, starts in enumerate(windows.split(data.evaluation_batch_size)):
        batch = move_data_to_device(data.windows_at(starts), task.device)
        forecast, truth = task.forecast(batch, seed=number), task.truth_of(batch)
        if batch.target_observed is not None:
            truth = truth.where(batch.target_observed, torch.nan)
        found.append(calibration.scores(forecast, truth, task.scale_of(batch)).cpu())
    task.train(training)
    task.calibrated = calibration.calibrated(ScoreTable.of(torch.cat(found)))
    log.info("bands calibrated on %d validation windows", len(windows))


def keep_in(path: Path, task: ForecastTask) -> None:
    """Adds what was fitted after training to a checkpoint file, which is replaced as a whole.

    Args:
        path: A checkpoint of the task.
        task: The task.
    """
    content = read(path)
    if isinstance(task.model.anchor, FixedAnchor):
        content["state_dict"]["model.anchor.share"] = task.model.anchor.share.cpu()
    if task.calibrated is not None:
        content[KEY][CALIBRATION] = task.calibrated.to_dict()
    WholeCheckpointIO().save_checkpoint(content, path)

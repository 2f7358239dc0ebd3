"""Bands of filled values: fitted on what was removed from validation windows, kept in a checkpoint, and tested."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from lightning.fabric.utilities.apply_func import move_data_to_device
from torch import Tensor

from recast.data.imputation_datamodule import ImputationDataModule
from recast.data.prepare.gap_loader import removed_from
from recast.nn.models.imputer import observed_of
from recast.runs.checkpoints.checkpoint import read
from recast.runs.checkpoints.io import WholeCheckpointIO
from recast.scoring.calibration.gap_bands import FEWEST, GapBands, distances
from recast.training.checkpoint_format import GAP_BANDS, KEY
from recast.training.evenly import evenly_spaced
from recast.training.imputation_task import ImputationTask

log = logging.getLogger(__name__)

LEVELS = (0.5, 0.8, 0.9, 0.95)
"""Levels whose coverage is told."""
MOST = 4096
"""Windows that calibrate; of more, some are chosen evenly."""

Errors = tuple[Float[np.ndarray, "values targets"], Int[np.ndarray, "values targets"]]


def fit_bands(task: ImputationTask, data: ImputationDataModule, windows: Int[Tensor, " windows"]) -> None:
    """Gives a task the bands that its errors at removed values of windows make.

    Args:
        task: The trained task, whose mode is restored.
        data: Its data.
        windows: First rows of the windows.
    """
    some = windows[evenly_spaced(len(windows), MOST)] if len(windows) else windows
    found = list(_errors(task, data, some))
    if found:
        errors, distance = (np.concatenate(parts) for parts in zip(*found, strict=True))
        task.bands = GapBands.of(errors, distance)
    if task.bands is None:
        log.info(
            "filled values have no intervals: fewer than %d values of a column were removed from the %d validation "
            "windows",
            *(FEWEST, len(windows)),
        )


def keep_bands(path: Path, bands: GapBands) -> None:
    """Adds bands to a checkpoint file, which is replaced as a whole."""
    content = read(path)
    content[KEY][GAP_BANDS] = bands.to_dict()
    WholeCheckpointIO().save_checkpoint(content, path)


def coverage(task: ImputationTask, data: ImputationDataModule, windows: Int[Tensor, " windows"]) -> dict[str, Any]:
    """Share of the removed values of windows that lie within the bands, and the mean width of these, by level.

    Empty where the task has no bands.
    """
    bands = task.bands
    levels = [level for level in LEVELS if bands is not None and level <= bands.most]
    if bands is None or not levels:
        return {}
    inside, width, count = np.zeros(len(levels)), np.zeros(len(levels)), 0
    for errors, distance in _errors(task, data, windows):
        removed = ~np.isnan(errors)
        half = bands.half_widths(distance, levels)[:, removed]
        inside += (errors[removed] <= half).sum(axis=1)
        width += 2 * half.sum(axis=1)
        count += int(removed.sum())
    if not count:
        return {}
    return {
        f"{level:g}": {"coverage": inside[place] / count, "width": width[place] / count}
        for place, level in enumerate(levels)
    }


def _errors(task: ImputationTask, data: ImputationDataModule, windows: Int[Tensor, " windows"]) -> Iterator[Errors]:
    """Absolute errors at removed values, NaN elsewhere, and distances to the nearest observation, a batch at a time."""
    training = task.training
    task.eval()
    for starts in windows.split(data.evaluation_batch_size) if len(windows) else ():
        batch = move_data_to_device(data.windows_at(starts), task.device)
        with torch.no_grad():
            errors = (task.filled(batch) - task.truth_of(batch)).abs().where(removed_from(batch), torch.nan)
        distance = distances(observed_of(batch).cpu().numpy())
        yield errors.cpu().numpy().reshape(-1, errors.shape[-1]), distance.reshape(-1, errors.shape[-1])
    task.train(training)

"""Compares an exported graph with its model, on the same windows."""

from collections.abc import Callable

import numpy as np
import torch

from recast.data.panel import Panel
from recast.data.prepare.storage import stored
from recast.errors import ConfigurationError
from recast.nn.models.model import ForecastModel
from recast.runs.export.closed_form import closed_form
from recast.runs.export.contract import windows_of
from recast.runs.export.graph import Affine, forecast_in_unit
from recast.scoring.calibration.calibration import Calibrated

TOLERANCE = 1e-5
"""Largest error of a number, as a share of its size or of the scale of the target, whichever is larger."""

Run = Callable[[dict[str, np.ndarray]], list[np.ndarray]]


def error_on(
    run: Run,
    model: ForecastModel,
    calibrated: Calibrated | None,
    levels: tuple[float, ...],
    windows: tuple[Panel, np.ndarray],
) -> float:
    """The largest error of a graph on windows, in one batch and on the first of them by itself.

    The model reads the windows as recast-forecast prepares them; its mean is that of the distribution, not of samples.

    Args:
        run: Runs the graph.
        model: The model.
        calibrated: What its bands were calibrated with.
        levels: Of the quantiles.
        windows: Data under the model's spec, and the first row of each window.
    """
    spec, (panel, starts) = model.spec, windows
    batch = stored(panel, spec).windows(torch.from_numpy(starts), spec.context, spec.horizon)
    offset, scale = (torch.tensor(numbers, dtype=torch.float64) for numbers in (spec.target_offset, spec.target_scale))
    affine = Affine(*batch.affine(offset, scale))
    batch = batch.to_precision(model.precision)
    with torch.no_grad():
        scaled = closed_form(model, batch) if model.head.stochastic else model.forecast(batch, samples=1)
        wanted = [part.numpy() for part in forecast_in_unit(scaled, affine, calibrated, levels)]
    size = affine.scale.numpy()
    arrays = windows_of(panel, spec, starts)
    found = run(arrays)
    alone = run({name: array[:1] for name, array in arrays.items()})
    return max(
        _error(part, truth[: len(part)], size if size.ndim == 1 else size[: len(part)])
        for parts in (found, alone)
        for part, truth in zip(parts, wanted, strict=True)
    )


def _error(found: np.ndarray, wanted: np.ndarray, scale: np.ndarray) -> float:
    if found.shape != wanted.shape:
        return np.inf
    if wanted.ndim == 4 and scale.ndim == 3:
        scale = scale[:, None]
    same = (found == wanted) | (np.isnan(found) & np.isnan(wanted))
    with np.errstate(invalid="ignore"):
        errors = np.abs(found - wanted) / np.maximum(np.abs(wanted), scale)
    return float(np.where(same, 0.0, np.nan_to_num(errors, nan=np.inf)).max())


def require_same(error: float, windows: str) -> None:
    """Refuses a graph that is not its model.

    Args:
        error: What `error_on` gave.
        windows: Which windows these were.

    Raises:
        ConfigurationError: if it is larger than `TOLERANCE`.
    """
    if error > TOLERANCE:
        raise ConfigurationError(
            f"the graph forecasts otherwise than the model on {windows}: largest relative error {error:.3g}, expected "
            f"at most {TOLERANCE:g}; nothing was written; use recast.load, or another model or cell"
        )

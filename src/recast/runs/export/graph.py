"""A trained model as one function from raw values to forecasts, both in the data's unit."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from recast.data.prepare.local_scales import of_context
from recast.data.spec import SeriesSpec
from recast.nn.models.model import ForecastModel
from recast.runs.export.closed_form import closed_form, quantiles_at
from recast.runs.export.contract import inputs_of
from recast.scoring.calibration.calibration import Calibrated
from recast.types import Batch, Categories, Forecast, Observed, Scaling


class Affine(NamedTuple):
    """Location and scale of the targets, in their unit, shape (batch, 1, targets) or (targets,)."""

    location: Tensor
    scale: Tensor


class ForecastGraph(nn.Module):
    """Scaling, masks, model, anchor, head and calibrated band in one function of the arrays of `inputs_of`.

    Values are scaled in float64, and forecasts brought back to the data's unit in float64; the network computes in its
    own precision. An adaptive band is that of its nominal levels.

    Args:
        model: The model.
        calibrated: What its bands were calibrated with; None: they are the model's own.
        levels: Of the quantiles, ascending; (): there are none.
    """

    def __init__(self, model: ForecastModel, calibrated: Calibrated | None, levels: Sequence[float]) -> None:
        super().__init__()
        self.model = model
        self.calibrated = calibrated
        self.levels = tuple(levels)
        self.names = [array.name for array in inputs_of(model.spec)]

    def forward(self, *arrays: Tensor) -> tuple[Tensor, ...]:
        """Mean, shape (batch, horizon, targets), and quantiles, shape (batch, levels, horizon, targets)."""
        spec, given = self.model.spec, dict(zip(self.names, arrays, strict=True))
        batch, affine = batch_of(given, spec, self.model.precision)
        return forecast_in_unit(closed_form(self.model, batch), affine, self.calibrated, self.levels)


def forecast_in_unit(
    scaled: Forecast, affine: Affine, calibrated: Calibrated | None, levels: Sequence[float]
) -> tuple[Tensor, ...]:
    """Mean, and quantiles where levels are given, in the data's unit, float64.

    Args:
        scaled: The forecast in scaled values.
        affine: Scaling of the targets.
        calibrated: What its bands were calibrated with; None: they are the model's own.
        levels: Of the quantiles.

    Raises:
        ConfigurationError: if the forecast does not know one of them.
    """
    found = scaled.in_unit(*affine)
    if calibrated is not None:
        calibrated.restart()
        found = calibrated.band(found, affine.scale)
    mean = found.mean.double()
    if not levels:
        return (mean,)
    return mean, quantiles_at(found, levels).double().transpose(0, 1)


def batch_of(given: dict[str, Tensor], spec: SeriesSpec, precision: torch.dtype) -> tuple[Batch, Affine]:
    """Scaled windows from raw values, and the scaling of their targets.

    Args:
        given: The inputs by name; see `inputs_of`.
        spec: The data's description at training.
        precision: The dtype of the network.
    """
    history = given["history"]
    size, context, horizon = history.shape[0], spec.context, spec.horizon
    seen = ~history.isnan() if spec.masked else torch.ones_like(history, dtype=torch.bool)
    affine = _affine(history, seen, given.get("item"), spec)
    scaled = (history - affine.location) / affine.scale

    def empty(steps: int, width: int = 0) -> Tensor:
        return history.new_zeros(size, steps, width)

    past = _scaled(given.get("past", empty(context)), spec, "past")
    known = _scaled(given.get("known", empty(context + horizon)), spec, "known")
    parts = [scaled.where(seen, 0.0), past, known]
    observed = None
    if spec.masked:
        masks = [~part.isnan() for part in (past, known)]
        parts[1:] = [part.where(mask, 0.0) for part, mask in zip((past, known), masks, strict=True)]
        masks[1] = torch.cat([masks[1], torch.ones_like(empty(context + horizon, 2 * len(spec.periods))) > 0], dim=-1)
        observed = Observed(seen, *masks, target=empty(horizon, spec.targets) > 0)
    if spec.periods:
        parts[2] = torch.cat([parts[2], _waves(given["hours"], spec)], dim=-1)
    static = _static(given.get("static", history.new_zeros(size, 0)), spec)
    if spec.local is not None and spec.local.level:
        static = torch.cat([static, (affine.location.abs() / affine.scale).log1p().squeeze(1)], dim=-1)
    batch = Batch(
        *(part.to(precision) for part in (*parts, static, empty(horizon, spec.targets))),
        start=torch.zeros_like(history[:, 0, 0], dtype=torch.int64),
        item=torch.zeros_like(history[:, 0, 0], dtype=torch.int64),
        observed=observed,
        categories=_categories(given, spec),
        scaling=None if spec.local is None else Scaling(*affine),
    )
    return batch, affine


def _affine(history: Tensor, seen: Tensor, item: Tensor | None, spec: SeriesSpec) -> Affine:
    """Location and scale of the targets: those of all, of the item, or of the context."""
    local = spec.local
    if local is None:
        return Affine(history.new_tensor(spec.target_offset), history.new_tensor(spec.target_scale))
    own = of_context(history, seen, local)
    if item is None:
        return Affine(own.location, own.scale)
    count = len(local.ids)
    place = item.where((item >= 0) & (item < count), count)
    others = ((0.0,) * spec.targets,), ((1.0,) * spec.targets,)
    location, scale = (
        history.new_tensor([*numbers, *other])[place].unsqueeze(1)
        for numbers, other in zip((local.offset, local.scale), others, strict=True)
    )
    fixed = (place < count)[:, None, None]
    return Affine(location.where(fixed, own.location), scale.where(fixed, own.scale))


def _scaled(values: Tensor, spec: SeriesSpec, role: str) -> Tensor:
    """Real columns of a role, scaled; those that count from the origin less their value there."""
    chosen = [
        (column, offset, scale)
        for column, offset, scale in zip(spec.columns, spec.offset, spec.scale, strict=True)
        if column.role == role and not column.is_category
    ]
    if not chosen:
        return values
    columns, offset, scale = zip(*chosen, strict=True)
    found = (values - values.new_tensor(offset)) / values.new_tensor(scale)
    if not any(column.from_origin for column in columns):
        return found
    counts = torch.tensor([column.from_origin for column in columns])
    return (found - found[:, spec.context - 1 : spec.context]).where(counts, found)


def _waves(hours: Tensor, spec: SeriesSpec) -> Tensor:
    """Sine and cosine of each period, as of `recast.data.prepare.storage.periodic`."""
    cycles = hours.unsqueeze(-1) / hours.new_tensor(spec.periods)
    angles = 2 * math.pi * (cycles - cycles.floor())
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(2)


def _static(values: Tensor, spec: SeriesSpec) -> Tensor:
    """Static numbers, scaled, 0 where they are not known."""
    chosen = [
        (offset, scale if scale > 0 else 1.0)
        for column, offset, scale in zip(spec.static, spec.static_offset, spec.static_scale, strict=True)
        if column.role == "static" and not column.is_category
    ]
    if not chosen:
        return values
    offset, scale = zip(*chosen, strict=True)
    scaled = (values - values.new_tensor(offset)) / values.new_tensor(scale)
    return scaled.where(~scaled.isnan(), 0.0)


def _categories(given: dict[str, Tensor], spec: SeriesSpec) -> Categories | None:
    names = ("past_levels", "known_levels", "static_levels")
    if not any(name in given for name in names):
        return None
    history = given["history"]
    shapes = ((spec.context, 0), (spec.context + spec.horizon, 0), (0,))
    parts = (
        given.get(name, torch.zeros(history.shape[0], *shape, dtype=torch.int64))
        for name, shape in zip(names, shapes, strict=True)
    )
    return Categories(*parts)

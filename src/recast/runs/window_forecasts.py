"""The forecasts of a model for windows, batch by batch and as one."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float64, Int
from torch import Tensor

from recast.data.prepare.storage import Storage
from recast.nn.models.model import ForecastModel
from recast.types import Forecast

AT_ONCE = 512
"""Windows that are forecast in one batch."""


class WindowForecasts(NamedTuple):
    """The forecasts of a batch of windows.

    starts: first row of each; forecast: in the data's unit; scale: what its targets are divided by, in that unit.
    """

    starts: Int[Tensor, " batch"]
    forecast: Forecast
    scale: Float64[Tensor, "*windows targets"]


def window_forecasts(
    model: ForecastModel, storage: Storage, starts: Int[Tensor, " windows"], *, samples: int, seed: int
) -> Iterator[WindowForecasts]:
    """The forecasts of windows, batch by batch.

    Args:
        model: The trained model.
        storage: All rows.
        starts: First row of each window.
        samples: Trajectories of a stochastic head. [trajectories]
        seed: Seed of those of the first batch; draws of different batches are independent.
    """
    spec = model.spec
    offset, scale = (torch.tensor(numbers, dtype=torch.float64) for numbers in (spec.target_offset, spec.target_scale))
    for number, rows in enumerate(starts.split(AT_ONCE) if len(starts) else ()):
        batch = storage.windows(rows, spec.context, spec.horizon).to_precision(model.precision)
        affine = batch.affine(offset, scale)
        found = model.forecast(batch, samples=samples, seed=(seed + number) % 2**32)
        yield WindowForecasts(rows, found.in_unit(*affine), affine[1])


def together(forecasts: list[Forecast]) -> Forecast:
    """Forecasts of one kind as one batch."""
    first = forecasts[0]
    if len(forecasts) == 1:
        return first
    parts = {
        name: torch.cat([getattr(forecast, name) for forecast in forecasts], dim=axis)
        for name, axis in (("mean", 0), ("samples", 1), ("quantiles", 1), ("probabilities", 0))
        if getattr(first, name) is not None
    }

    def inverse(levels: Sequence[float]) -> torch.Tensor | None:
        found = [None if forecast.inverse is None else forecast.inverse(levels) for forecast in forecasts]
        known = [part for part in found if part is not None]
        return torch.cat(known, dim=1) if len(known) == len(found) else None

    return first._replace(**parts, inverse=None if first.inverse is None else inverse)

"""Bands that have adapted to the last windows of each series before they forecast."""

from collections.abc import Iterable, Iterator

import torch
from jaxtyping import Float64
from torch import Tensor

from recast.data.panel import Panel
from recast.data.prepare.storage import stored
from recast.nn.models.model import ForecastModel
from recast.runs.window_forecasts import WindowForecasts, window_forecasts
from recast.scoring.calibration.calibration import Calibrated
from recast.types import Forecast


def followed_bands(
    calibrated: Calibrated,
    model: ForecastModel,
    past: Panel,
    forecasts: Iterable[WindowForecasts],
    *,
    samples: int,
    seed: int,
) -> Iterator[Forecast]:
    """The forecast of each series, with the band that its own last windows have led to.

    Args:
        calibrated: The bands.
        model: The trained model.
        past: The last rows of each series and the steps after its end, whose truths are not known.
        forecasts: Those of the steps after the end, as `window_forecasts` gives them, in the order of the series.
        samples: Trajectories of a stochastic head. [trajectories]
        seed: Seed of those trajectories.
    """
    spec, storage = model.spec, stored(past, model.spec)
    whole = spec.context + spec.horizon
    observations = torch.from_numpy(past.targets.copy())
    for item, ((begin, stop), (own, scale)) in enumerate(zip(past.pieces, _one_by_one(forecasts), strict=True)):
        calibrated.restart()
        observations[stop - spec.horizon : stop] = torch.nan
        last = stop - whole
        for starts, found, size in window_forecasts(
            model, storage, torch.arange(begin, last), samples=samples, seed=seed
        ):
            truth = observations[starts.unsqueeze(1) + torch.arange(spec.context, whole)]
            calibrated.follow(
                found,
                size,
                truth,
                observed=~truth.isnan(),
                origin=starts + spec.context - 1,
                item=torch.full_like(starts, item),
            )
        yield calibrated.follow(
            Forecast(own),
            scale,
            torch.full_like(own, torch.nan),
            observed=torch.zeros_like(own, dtype=torch.bool),
            origin=torch.tensor([last + spec.context - 1]),
            item=torch.tensor([item]),
        )


def _one_by_one(
    forecasts: Iterable[WindowForecasts],
) -> Iterator[tuple[Float64[Tensor, "1 horizon targets"], Float64[Tensor, "1 1 targets"]]]:
    """Mean and scale of each window."""
    for rows, found, scale in forecasts:
        yield from zip(found.mean.split(1), scale.expand(len(rows), 1, -1).split(1), strict=True)

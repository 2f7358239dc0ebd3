"""Small random windows for tests of models, and weights that let every path of a model matter."""

from typing import TypeVar

import torch
from torch import nn

from recast.types import Batch, SeriesSpec

Model = TypeVar("Model", bound=nn.Module)


def spec_of(*, targets: int, context: int, horizon: int, past: int = 0, periods: int = 0) -> SeriesSpec:
    """Channels in metres, not scaled; the first period is a day, the others its fractions."""
    channels = targets + past
    return SeriesSpec(
        names=tuple("abcd"[:channels]),
        units=("m",) * channels,
        targets=targets,
        step="h",
        context=context,
        horizon=horizon,
        periods=tuple(24.0 / (1 + period) for period in range(periods)),
        offset=(0.0,) * channels,
        scale=(1.0,) * channels,
        naive_error=(1.0,) * targets,
    )


def batch_of(spec: SeriesSpec, batch: int = 3) -> Batch:
    """Normal float64 numbers from torch's generator."""
    return Batch(
        context=torch.randn(batch, spec.context, spec.inputs, dtype=torch.float64),
        target=torch.randn(batch, spec.horizon, spec.targets, dtype=torch.float64),
        known=torch.randn(batch, spec.horizon, spec.known, dtype=torch.float64),
        start=torch.arange(batch),
    )


def with_weights(model: Model) -> Model:
    """The model in float64 and evaluation mode, all of its weights uniform in (-0.7, 0.7)."""
    model = model.double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.uniform_(-0.7, 0.7)
    return model

"""What a model forecasts without drawing: mean and quantiles from the distributions of its heads."""

from collections.abc import Sequence

import torch
from torch import Tensor

from recast.errors import ConfigurationError
from recast.nn.ensemble.combining import median
from recast.nn.ensemble.ensemble import Ensemble
from recast.nn.fixed_anchors.fixed_anchor import FixedAnchor
from recast.nn.models.model import ForecastModel
from recast.types import Batch, Forecast


def closed_form(model: ForecastModel, batch: Batch) -> Forecast:
    """The forecast in scaled values; its mean is that of the distribution, not of samples.

    Args:
        model: A model that `require_closed_form` lets pass.
        batch: Windows.
    """
    if isinstance(model, Ensemble):
        return _joined(model, [closed_form(member, batch) for member in model.models])
    parameters = model(batch)
    head = model.head
    found = head.forecast(parameters)
    if head.has_closed_quantiles:
        found = Forecast(head.mean(parameters), inverse=head.inverse_at(parameters))
    anchor = model.anchor
    if not isinstance(anchor, FixedAnchor) or bool((anchor.share == 1).all()):
        return found
    less = (anchor.share - 1).unsqueeze(-1) * (found.mean - model.base(batch))
    return found.values(lambda values: values + less)


def _joined(model: Ensemble, forecasts: Sequence[Forecast]) -> Forecast:
    """What is joined of the forecasts of an ensemble's members, level by level."""

    def join(values: Tensor) -> Tensor:
        if model.combine == "median":
            return median(values)
        return torch.tensordot(model.weights.to(values), values, dims=1)

    mean = join(torch.stack([one.mean for one in forecasts]))
    if any(one.is_point for one in forecasts):
        return Forecast(mean)

    def inverse(levels: Sequence[float]) -> Tensor | None:
        known = [found for one in forecasts if (found := one.quantiles_at(levels)) is not None]
        return join(torch.stack(known)) if len(known) == len(forecasts) else None

    return Forecast(mean, inverse=inverse, reach=min(one.widest or 0.0 for one in forecasts))


def require_closed_form(model: ForecastModel, *, needs_quantiles: bool) -> None:
    """Refuses a model whose forecast is one of samples.

    Args:
        model: The model.
        needs_quantiles: Whether quantiles of its own are asked for.

    Raises:
        ConfigurationError: then.
    """
    if isinstance(model, Ensemble):
        for member in model.models:
            require_closed_form(member, needs_quantiles=needs_quantiles)
        return
    head, form = type(model.head).__name__, type(model).__name__
    if model.head.stochastic and model.feeds_back:
        raise ConfigurationError(
            f"{form} reads what is drawn from its head {head}: its mean and quantiles are those of samples, and a "
            "graph draws none; train with a head that feeds back no draw (model/head=quantile), or a model that feeds "
            "back nothing (model=direct)"
        )
    if needs_quantiles and model.head.stochastic and not model.head.has_closed_quantiles:
        raise ConfigurationError(
            f"the quantiles of the head {head} are found by a search, which is no graph; ask for none (levels=[]), or "
            "train with calibration=split or another head (model/head=quantile)"
        )


def quantiles_at(forecast: Forecast, levels: Sequence[float]) -> Tensor:
    """The quantiles of a forecast that knows them.

    Raises:
        ConfigurationError: if it does not.
    """
    found = forecast.quantiles_at(levels)
    if found is None:
        widest = forecast.widest
        known = "none" if widest is None else f"those up to level {widest:.4g}"
        raise ConfigurationError(
            f"levels: the model does not know all of these central intervals; it knows {known}; ask for those "
            "(levels=[] for none)"
        )
    return found

"""The share of a network's correction of its anchor that holds up on windows it was not trained on."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from recast.nn.fixed_anchors.fixed_anchor import FixedAnchor
from recast.nn.models.model import ForecastModel
from recast.types import Batch

BLOCKS = 5  # of the windows


def added_whole(model: ForecastModel) -> str | None:
    """Why no share of the correction of a fixed anchor can be fitted; None if one can."""
    if model.anchor.leads != model.spec.horizon:
        return "its anchor looks one step ahead only"
    if model.head.counts:
        return "its head forecasts counts, which no share leaves whole"
    return None


@torch.no_grad()
def fit_share(model: ForecastModel, batches: Iterable[Batch], *, samples: int) -> Float[Tensor, " leads"] | None:
    """Sets the share of the network's correction at each lead: what surely lowers the squared error, within 0 and 1.

    With f the forecast, b that of the anchor and y the truth, all scaled, over windows, targets and observed truths,

        share_h = sum (f_h - b_h) (y_h - b_h) / sum (f_h - b_h)^2  -  its standard error

    The ratio has the smallest squared error on these windows (Bates & Granger 1969, "The combination of forecasts",
    Operational Research Quarterly 20). Its standard error is that of the jackknife over five blocks of successive
    windows (Kuensch 1989, "The jackknife and the bootstrap for general stationary observations", Annals of Statistics
    17): where few days validate, a network that learnt noise may agree with them by chance.

    Args:
        model: A trained model; its anchor's `share` is changed. One whose anchor is not fixed is left alone, and so is
            one that has no share; see `added_whole`.
        batches: Windows that it was not trained on.
        samples: Trajectories of a stochastic head that is fed back, 2 or more. [trajectories]

    Returns:
        The share; None where there is none, or no window.
    """
    anchor = model.anchor
    if not isinstance(anchor, FixedAnchor) or added_whole(model) is not None:
        return None
    anchor.share.fill_(1.0)
    found = [_sums(model, batch.to_precision(model.precision), samples, number) for number, batch in enumerate(batches)]
    if not found:
        return None
    agreement, square = (torch.cat(sums) for sums in zip(*found, strict=True))
    share = _ratio(agreement.sum(dim=0), square.sum(dim=0))
    blocks = [block for block in torch.arange(len(agreement)).tensor_split(BLOCKS) if len(block)]
    if len(blocks) > 1:
        left_out = [
            _ratio(agreement.sum(dim=0) - agreement[block].sum(dim=0), square.sum(dim=0) - square[block].sum(dim=0))
            for block in blocks
        ]
        variance = torch.stack(left_out).var(dim=0, correction=0) * (len(blocks) - 1)
        share = share - variance.sqrt()
    # A network that changes nothing has any share.
    anchor.share.copy_(share.clamp(0, 1).where(square.sum(dim=0) > 0, 1.0))
    return anchor.share


def _sums(model: ForecastModel, batch: Batch, samples: int, number: int) -> tuple[Tensor, Tensor]:
    """Of each window at each lead, over targets: correction times what the anchor leaves, and correction squared."""
    base = model.base(batch)
    if model.head.stochastic and model.feeds_back:
        drawn = model.trajectories(batch, samples, torch.Generator().manual_seed(number))
        point, noise = drawn.mean(dim=0), drawn.double().var(dim=0) / samples
    else:
        point = model.head.mean(model(batch))
        noise = torch.zeros_like(point).double()
    change, left = (point - base).double(), (batch.target - base).double()
    if batch.target_observed is not None:
        change, left, noise = (part.where(batch.target_observed, 0.0) for part in (change, left, noise))
    # The square of a mean of draws is larger than that of their expectation by the variance of the mean.
    return (change * left).sum(dim=2).cpu(), (change.square() - noise).sum(dim=2).cpu()


def _ratio(agreement: Float[Tensor, " leads"], square: Float[Tensor, " leads"]) -> Float[Tensor, " leads"]:
    """Zero where nothing is changed."""
    return (agreement / square.where(square > 0, 1.0)).where(square > 0, 0.0)

"""The share of a network's correction of its anchor that holds up on windows it was not trained on."""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor

from recast.nn.fixed_anchors.fixed_anchor import FixedAnchor
from recast.nn.models.model import ForecastModel
from recast.types import Batch


@torch.no_grad()
def fit_share(model: ForecastModel, batches: Iterable[Batch], *, samples: int) -> Float[Tensor, " leads"] | None:
    """Sets the share of the network's correction at each lead that has the smallest squared error, within 0 and 1.

    With f the forecast, b that of the anchor and y the truth, all scaled, over windows, targets and observed truths,

        share_h = sum (f_h - b_h) (y_h - b_h) / sum (f_h - b_h)^2

    so that a network which learnt noise is turned down. It is shrinkage of a combination of two forecasts (Bates &
    Granger 1969, "The combination of forecasts", Operational Research Quarterly 20).

    Args:
        model: A trained model; its anchor's `share` is changed. One whose anchor is not fixed, or looks one step ahead
            only, or whose head forecasts counts, which no share leaves whole, is left alone.
        batches: Windows that it was not trained on.
        samples: Trajectories of a stochastic head that is fed back, 2 or more. [trajectories]

    Returns:
        The share; None where there is none, or no window.
    """
    anchor = model.anchor
    if not isinstance(anchor, FixedAnchor) or anchor.leads != model.spec.horizon or model.head.counts:
        return None
    anchor.share.fill_(1.0)
    agreement, square = (torch.zeros(anchor.leads, dtype=torch.float64) for _ in range(2))
    seen = False
    for number, batch in enumerate(batches):
        precise = batch.to_precision(model.precision)
        base = model.base(precise)
        if model.head.stochastic and model.feeds_back:
            drawn = model.trajectories(precise, samples, torch.Generator().manual_seed(number))
            point, noise = drawn.mean(dim=0), drawn.double().var(dim=0) / samples
        else:
            point = model.head.mean(model(precise))
            noise = torch.zeros_like(point).double()
        change = (point - base).double()
        left = (precise.target - base).double()
        if precise.target_observed is not None:
            change, left, noise = (part.where(precise.target_observed, 0.0) for part in (change, left, noise))
        agreement += (change * left).sum(dim=(0, 2)).cpu()
        # The square of a mean of draws is larger than that of their expectation by the variance of the mean.
        square += (change.square() - noise).sum(dim=(0, 2)).cpu()
        seen = True
    if not seen:
        return None
    # A network that changes nothing has any share.
    share = (agreement / square.where(square > 0, 1.0)).clamp(0, 1).where(square > 0, 1.0)
    anchor.share.copy_(share)
    return anchor.share

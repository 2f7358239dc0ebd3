"""A batch with several forecast origins in each window, seen from each of them."""

import torch

from recast.errors import ConfigurationError
from recast.types import Batch, Share


def seen_from_origins(batch: Batch, reach: int) -> Batch:
    """A window for each origin of each window, one window after the other: what a forecast needs besides states.

    Args:
        batch: A training batch.
        reach: Steps of the context before each origin; the others are left out. [steps]

    Raises:
        ConfigurationError: if an origin has fewer steps before it.
    """
    if batch.origins is None:
        return batch
    if batch.origins[0] < reach:
        raise ConfigurationError(
            f"the anchor reads the last {reach} steps, but the first forecast origin lies after {batch.origins[0]}; "
            "give it fewer, or a longer data.regime.chunk with fewer data.regime.origins"
        )
    horizon, targets, known = batch.target.shape[1], batch.target.shape[2], batch.known.shape[2]
    observed = batch.context.shape[2] - known
    at = torch.tensor(batch.origins, device=batch.context.device)
    context = batch.context.unfold(1, reach, 1)[:, at - reach]
    truth = torch.cat([batch.context[..., :targets], batch.target], dim=1).unfold(1, horizon, 1)[:, at]
    ahead = torch.cat([batch.context[..., observed:], batch.known], dim=1).unfold(1, horizon, 1)[:, at]
    share = batch.share
    return Batch(
        context=context.transpose(-1, -2).flatten(0, 1),
        target=truth.transpose(-1, -2).flatten(0, 1),
        known=ahead.transpose(-1, -2).flatten(0, 1),
        start=(batch.start.unsqueeze(1) + at - reach).flatten(),
        share=None if share is None else Share(share.total * len(at), share.first * len(at), share.weight),
    )

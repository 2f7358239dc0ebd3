"""Values that were not observed, interpolated between those that were."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def interpolated(
    values: Float[Tensor, "*batch time channels"], observed: Bool[Tensor, "*batch time channels"]
) -> Float[Tensor, "*batch time channels"]:
    """Linear interpolation over the steps; before the first and after the last observation these are held.

    A channel that was never observed is 0.

    Args:
        values: Any values; those that were not observed are not read.
        observed: Which ones were.
    """
    length = values.shape[-2]
    step = torch.arange(length, device=values.device).unsqueeze(-1).expand_as(observed)
    before = step.where(observed, -1).cummax(dim=-2).values
    after = step.where(observed, length).flip(-2).cummin(dim=-2).values.flip(-2)
    # Outside of the observations the one at the end stands on both sides.
    first, last = before.where(before >= 0, after), after.where(after < length, before)
    known = values.where(observed, 0.0)
    low, high = (known.gather(-2, place.clamp(0, length - 1)) for place in (first, last))
    share = (step - first).to(values.dtype) / (last - first).clamp(min=1)
    return low.lerp(high, share)

"""The values of the targets up to each step, where some were not observed."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from recast.types import Batch


def last_observed(
    values: Float[Tensor, "batch time columns"], observed: Bool[Tensor, "batch time columns"]
) -> Float[Tensor, "batch time columns"]:
    """Each value where it was observed, otherwise the last one observed before it; 0 before the first."""
    steps = torch.arange(1, values.shape[1] + 1, device=values.device)[:, None]
    # Step 0 is the zero used before the first observation.
    last = torch.where(observed, steps, 0).cummax(dim=1).values
    padded = torch.cat([torch.zeros_like(values[:, :1]), values], dim=1)
    return padded.gather(1, last)


def held_history(batch: Batch) -> Float[Tensor, "batch context targets"]:
    """The targets up to the origin; where one was not observed, the last one that was."""
    if batch.observed is None:
        return batch.history
    return last_observed(batch.history, batch.observed.history)


def held_truth(batch: Batch) -> Float[Tensor, "batch time targets"]:
    """The targets over context and horizon; where one was not observed, the last one that was."""
    values = torch.cat([batch.history, batch.target], dim=1)
    if batch.observed is None:
        return values
    return last_observed(values, torch.cat([batch.observed.history, batch.observed.target], dim=1))


def observed_truth(batch: Batch) -> Bool[Tensor, "batch time targets"] | None:
    """Where the targets over context and horizon were observed; None: everywhere."""
    if batch.observed is None:
        return None
    return torch.cat([batch.observed.history, batch.observed.target], dim=1)

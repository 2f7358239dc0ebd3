"""Windows with gaps, for tests of models that fill them."""

import torch
from synthetic import batch_of

from recast.data.spec import SeriesSpec
from recast.types import Batch


def gappy(spec: SeriesSpec, seed: int = 0) -> Batch:
    """Windows with two fifths of the values missing, of which some are known to be filled again."""
    torch.manual_seed(seed)
    batch = batch_of(spec)
    left = torch.rand(batch.history.shape) < 0.6
    observed = batch.observed._replace(history=left, target=left | (torch.rand(left.shape) < 0.5))
    return batch._replace(
        history=batch.history.where(left, 0.0), target=torch.randn_like(batch.history), observed=observed
    )

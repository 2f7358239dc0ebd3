"""Window loaders over made-up rows."""

import torch
from synthetic import storage_of

from recast.data.prepare.loader import WindowLoader
from recast.data.prepare.order import Order


def loader_of(windows: int, batch_size: int, **options) -> WindowLoader:
    """Windows of four rows, the starts two rows apart; row r holds the value r."""
    storage = storage_of(torch.arange(2.0 * windows + 4).unsqueeze(1))
    starts = 2 * torch.arange(windows)
    return WindowLoader(storage=storage, order=Order(starts, batch_size, **options), context=3, horizon=1)


def starts_of(batches) -> list[int]:
    return [start for batch in batches for start in batch.start.tolist()]

"""The last values at each step of a sequence."""

import torch
from jaxtyping import Float
from torch import Tensor


def rolling(values: Float[Tensor, "batch time channels"], size: int) -> Float[Tensor, "batch time size channels"]:
    """The last `size` values up to each step, oldest first; where there are fewer, the first value stands for them.

    Apart from that padding it is a view.
    """
    if size > 1:
        values = torch.cat([values[:, :1].expand(-1, size - 1, -1), values], dim=1)
    return values.unfold(1, size, 1).transpose(-1, -2)

"""A linear function bent so that it stays positive."""

import torch
from jaxtyping import Float
from torch import Tensor


def positive(values: Float[Tensor, "*any"]) -> Float[Tensor, "*any"]:
    """The function x + 0.5 for x >= 0, else sigmoid(x) (Feng et al. 2024, arXiv 2410.01201, appendix B.3)."""
    return torch.where(values >= 0, values + 0.5, values.sigmoid())

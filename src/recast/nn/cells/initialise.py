"""Initialisation of recurrent weights."""

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

RecurrentInit = Literal["uniform", "orthogonal", "identity"]


@torch.no_grad()
def initialise_recurrent(weight: Float[Tensor, "rows hidden"], how: RecurrentInit) -> None:
    """Initialises the recurrent weights, the square block of each gate separately.

    Args:
        weight: The stacked blocks; changed in place.
        how: "uniform": left as drawn by torch. "orthogonal": a random orthogonal matrix, which preserves the norm of
            the state (Saxe et al. 2014, arXiv 1312.6120, section 3). "identity": each unit copies its own state and no
            other (Le, Jaitly & Hinton 2015, arXiv 1504.00941, section 3).
    """
    for block in weight.split(weight.shape[1]):
        if how == "orthogonal":
            nn.init.orthogonal_(block)
        elif how == "identity":
            nn.init.eye_(block)

"""The coins of scheduled sampling: which steps are fed the truth."""

from typing import Literal

import torch
from jaxtyping import Bool
from torch import Tensor

from recast.nn.models.draws import Draws
from recast.types import Share

Coin = Literal["step", "sequence", "batch"]


class Coins(Draws):
    """Tosses coins.

    Args:
        coin: What has a coin of its own: each "step" of each sample (Bengio et al. 2015, section 2.4), each
            "sequence", or each "batch".
    """

    def __init__(self, coin: Coin) -> None:
        super().__init__()
        self.coin = coin

    def toss(self, probabilities: list[float], batch: int, share: Share | None = None) -> Bool[Tensor, "batch leads"]:
        """True where the truth is fed, shape (batch, len(probabilities)), on the CPU.

        Args:
            probabilities: Probability of the truth after each lead.
            batch: Number of windows.
            share: Which windows of the batch of all processes they are.
        """
        first, total = (0, batch) if share is None else (share.first, share.total)
        leads = len(probabilities)
        shape = {"step": (total, leads), "sequence": (total, 1), "batch": (1, 1)}[self.coin]
        mask = torch.rand(shape, generator=self.generator) < torch.tensor(probabilities)
        return mask.expand(total, leads)[first : first + batch]

"""The coins of scheduled sampling: which steps are fed the truth."""

from typing import Literal

import torch
from jaxtyping import Bool
from torch import Tensor, nn

Coin = Literal["step", "sequence", "batch"]


class Coins(nn.Module):
    """Tosses coins from a generator whose state travels in the state dict, so that training resumes bit for bit.

    The generator is seeded from torch's global one when this is built.

    Args:
        coin: What has a coin of its own: each "step" of each sample (Bengio et al. 2015, section 2.4), each
            "sequence", or each "batch".
    """

    def __init__(self, coin: Coin) -> None:
        super().__init__()
        self.coin = coin
        self.generator = torch.Generator().manual_seed(int(torch.randint(2**62, ())))

    def toss(self, probabilities: list[float], batch: int) -> Bool[Tensor, "batch leads"]:
        """True where the truth is fed, shape (batch, len(probabilities)), on the CPU."""
        leads = len(probabilities)
        shape = {"step": (batch, leads), "sequence": (batch, 1), "batch": (1, 1)}[self.coin]
        mask = torch.rand(shape, generator=self.generator) < torch.tensor(probabilities)
        return mask.expand(batch, leads)

    def get_extra_state(self) -> Tensor:
        """State of the generator; called by torch."""
        return self.generator.get_state()

    def set_extra_state(self, state: Tensor) -> None:
        """Restores the generator; called by torch."""
        self.generator.set_state(state.cpu())

"""Teacher-forcing masks for training, drawn from a generator whose state is checkpointed."""

from typing import Literal

import torch
from jaxtyping import Bool
from torch import Tensor

from recast.nn.heads.draws import ResumableGenerator
from recast.types import Share

MaskUnit = Literal["step", "sequence", "batch"]


class TeacherForcingMask(ResumableGenerator):
    """Draws which steps are fed the truth: Bernoulli, with the schedule's probability.

    Args:
        mask_unit: What is drawn independently: each "step" of each sample (Bengio et al. 2015, section 2.4), each
            "sequence", or each "batch".
    """

    def __init__(self, mask_unit: MaskUnit) -> None:
        super().__init__()
        self.mask_unit = mask_unit

    def draw(self, probabilities: list[float], batch: int, share: Share | None = None) -> Bool[Tensor, "batch leads"]:
        """True where the truth is fed, shape (batch, len(probabilities)), on the CPU.

        Args:
            probabilities: Probability of the truth after each lead.
            batch: Number of windows.
            share: Which windows of the global batch of all processes they are.
        """
        first, total = (0, batch) if share is None else (share.first, share.total)
        leads = len(probabilities)
        shape = {"step": (total, leads), "sequence": (total, 1), "batch": (1, 1)}[self.mask_unit]
        mask = torch.rand(shape, generator=self.generator) < torch.tensor(probabilities)
        return mask.expand(total, leads)[first : first + batch]

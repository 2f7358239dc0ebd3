"""From the peak down along half a cosine."""

from lightning.pytorch.utilities.types import LRSchedulerConfigType
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR

from recast.options import NonNegativeFloat, checked
from recast.training.learning_rates.learning_rate import LearningRate


class Cosine(LearningRate):
    """Falls from the peak to `final` along half a cosine over all steps (Loshchilov & Hutter 2017, arXiv 1608.03983).

    Args:
        final: Last learning rate.
    """

    @checked
    def __init__(self, *, final: NonNegativeFloat = 0.0) -> None:
        self.final = final

    def schedule(self, optimizer: Optimizer, steps: int) -> LRSchedulerConfigType:
        """See the base class."""
        return {"scheduler": CosineAnnealingLR(optimizer, T_max=steps, eta_min=self.final), "interval": "step"}

"""Down a step whenever the validation error stalls."""

from lightning.pytorch.utilities.types import LRSchedulerConfigType
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from recast.options import Fraction as Factor
from recast.options import NonNegativeInt, checked
from recast.training.learning_rates.learning_rate import LearningRate


class Plateau(LearningRate):
    """Multiplies the rate by `factor` when the free-running validation error has not improved for `patience` epochs.

    Args:
        factor: New over old rate.
        patience: Epochs without improvement that are waited for. [epochs]
        monitor: The validation curve that is watched.
    """

    @checked
    def __init__(self, *, factor: Factor = 0.5, patience: NonNegativeInt = 3, monitor: str = "mse/validation") -> None:
        self.factor = factor
        self.patience = patience
        self.monitor = monitor

    def schedule(self, optimizer: Optimizer, steps: int) -> LRSchedulerConfigType:
        """See the base class."""
        scheduler = ReduceLROnPlateau(optimizer, factor=self.factor, patience=self.patience)
        return {"scheduler": scheduler, "interval": "epoch", "monitor": self.monitor}

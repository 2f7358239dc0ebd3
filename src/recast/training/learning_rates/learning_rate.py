"""How the learning rate moves over training."""

from abc import ABC, abstractmethod

from lightning.pytorch.utilities.types import LRSchedulerConfigType
from torch.optim import Optimizer


class LearningRate(ABC):
    """Builds torch's scheduler when optimiser and length of training are known. The optimiser's rate is the peak."""

    @abstractmethod
    def schedule(self, optimizer: Optimizer, steps: int) -> LRSchedulerConfigType:
        """The scheduler as Lightning wants it.

        Args:
            optimizer: The optimiser whose rate moves.
            steps: Optimiser steps planned. [steps]
        """

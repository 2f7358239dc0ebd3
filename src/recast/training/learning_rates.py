"""Learning-rate schedules."""

from abc import ABC, abstractmethod

from lightning.pytorch.utilities.types import LRSchedulerConfigType
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR, ReduceLROnPlateau

from recast.options import Fraction, NonNegativeFloat, NonNegativeInt, PositiveFloat, checked
from recast.options import Fraction as Factor
from recast.types import RANKING


class LearningRate(ABC):
    """Builds torch's scheduler once optimiser and training length are known. The optimiser's rate is the peak."""

    @abstractmethod
    def schedule(self, optimizer: Optimizer, steps: int) -> LRSchedulerConfigType:
        """The scheduler in Lightning's format.

        Args:
            optimizer: The optimiser whose rate is scheduled.
            steps: Planned optimiser steps. [steps]
        """


class Cosine(LearningRate):
    """Falls from the peak to `final` along half a cosine over all steps (Loshchilov & Hutter 2017, arXiv 1608.03983).

    Args:
        final: Final learning rate.
    """

    @checked
    def __init__(self, *, final: NonNegativeFloat = 0.0) -> None:
        self.final = final

    def schedule(self, optimizer: Optimizer, steps: int) -> LRSchedulerConfigType:
        """See the base class."""
        return {"scheduler": CosineAnnealingLR(optimizer, T_max=steps, eta_min=self.final), "interval": "step"}


class OneCycle(LearningRate):
    """Rises from peak / `divide` to the peak, then falls to peak / (`divide` * `final_divide`), both along a cosine.

    Smith & Topin 2019 (arXiv 1708.07120). Momentum is not changed.

    Args:
        warmup: Share of the steps in which the rate rises. [share of steps]
        divide: Ratio of peak to initial rate.
        final_divide: Ratio of initial to final rate.
    """

    @checked
    def __init__(
        self, *, warmup: Fraction = 0.1, divide: PositiveFloat = 25.0, final_divide: PositiveFloat = 100.0
    ) -> None:
        self.warmup = warmup
        self.divide = divide
        self.final_divide = final_divide

    def schedule(self, optimizer: Optimizer, steps: int) -> LRSchedulerConfigType:
        """See the base class."""
        # Torch divides by the length of the rise, warmup * steps - 1.
        warmup = self.warmup if self.warmup * steps != 1 else self.warmup * (1 + 1e-9)
        scheduler = OneCycleLR(
            optimizer,
            max_lr=[group["lr"] for group in optimizer.param_groups],
            total_steps=steps,
            pct_start=warmup,
            div_factor=self.divide,
            final_div_factor=self.final_divide,
            cycle_momentum=False,
        )
        return {"scheduler": scheduler, "interval": "step"}


class Plateau(LearningRate):
    """Multiplies the rate by `factor` when the free-running validation error has not improved for `patience` epochs.

    With `trainer.check_val_every_n_epoch` above 1, only epochs with a validation count.

    Args:
        factor: Ratio of new to old rate.
        patience: Validated epochs without improvement that are tolerated. [epochs]
        monitor: The validation curve to monitor; "ranking/validation": see `recast.types.RANKING`.
    """

    @checked
    def __init__(self, *, factor: Factor = 0.5, patience: NonNegativeInt = 3, monitor: str = RANKING) -> None:
        self.factor = factor
        self.patience = patience
        self.monitor = monitor

    def schedule(self, optimizer: Optimizer, steps: int) -> LRSchedulerConfigType:
        """See the base class."""
        scheduler = ReduceLROnPlateau(optimizer, factor=self.factor, patience=self.patience)
        return {"scheduler": scheduler, "interval": "epoch", "monitor": self.monitor}

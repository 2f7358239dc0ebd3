"""One cycle: up, then down to almost nothing."""

from lightning.pytorch.utilities.types import LRSchedulerConfigType
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from recast.options import Fraction, PositiveFloat, checked
from recast.training.learning_rates.learning_rate import LearningRate


class OneCycle(LearningRate):
    """Rises from peak / `divide` to the peak, then falls to peak / (`divide` * `final_divide`), both along a cosine.

    Smith & Topin 2019 (arXiv 1708.07120). Momentum is left alone.

    Args:
        warmup: Share of the steps in which the rate rises. [share of steps]
        divide: Peak over first rate.
        final_divide: First over last rate.
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

"""A point whose loss bears outliers."""

import torch
from torch import Tensor
from torch.nn import functional

from recast.nn.heads.head import Head
from recast.options import PositiveFloat, checked
from recast.types import Share


class Huber(Head):
    """Huber's loss of a point forecast (Huber 1964, "Robust estimation of a location parameter").

    Args:
        delta: Error, in training standard deviations, from which on the loss is linear.
    """

    stochastic = False
    is_value = True

    @checked
    def __init__(self, *, delta: PositiveFloat = 1.0) -> None:
        super().__init__()
        self.delta = delta

    @property
    def size(self) -> int:
        """One number."""
        return 1

    def losses(self, parameters: Tensor, target: Tensor) -> Tensor:
        """Huber's loss of each."""
        return functional.huber_loss(parameters[..., 0], target, reduction="none", delta=self.delta)

    def mean(self, parameters: Tensor) -> Tensor:
        """The point."""
        return parameters[..., 0]

    def feedback(self, parameters: Tensor, generator: torch.Generator | None, share: Share | None = None) -> Tensor:
        """The point."""
        return parameters[..., 0]

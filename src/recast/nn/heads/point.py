"""A forecast of one value."""

from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from recast.nn.heads.head import Head
from recast.options import PositiveFloat, checked
from recast.types import Share

LossName = Literal["mse", "mae", "huber"]


class Point(Head):
    """One value for each target, without spread.

    With e = forecast - truth, in scaled units, the loss is the mean of

        mse    e²
        mae    |e|
        huber  e²/2 where |e| <= delta, else delta (|e| - delta/2)     (Huber 1964)

    Args:
        loss: What is minimised. The best forecast is the conditional mean for "mse", the median for "mae",
            and something between them for "huber".
        delta: Error at which "huber" changes from squared to absolute; unused by the others. [scaled units]

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    stochastic: ClassVar[bool] = False
    is_value: ClassVar[bool] = True

    @checked
    def __init__(self, *, loss: LossName = "mse", delta: PositiveFloat = 1.0) -> None:
        super().__init__()
        self.loss_name: LossName = loss
        self.delta = delta

    @property
    def size(self) -> int:
        """One: the value."""
        return 1

    def losses(
        self,
        parameters: Float[Tensor, "batch horizon targets parameters"],
        target: Float[Tensor, "batch horizon targets"],
    ) -> Float[Tensor, "batch horizon targets"]:
        """The loss of the chosen kind."""
        return self._loss(parameters, target, "none")

    def mean_loss(
        self,
        parameters: Float[Tensor, "batch horizon targets parameters"],
        target: Float[Tensor, "batch horizon targets"],
    ) -> Float[Tensor, ""]:
        """The mean loss of the chosen kind."""
        return self._loss(parameters, target, "mean")

    def _loss(self, parameters: Tensor, target: Tensor, reduction: str) -> Tensor:
        location = self.mean(parameters)
        match self.loss_name:
            case "mse":
                return functional.mse_loss(location, target, reduction=reduction)
            case "mae":
                return functional.l1_loss(location, target, reduction=reduction)
            case "huber":
                return functional.huber_loss(location, target, reduction=reduction, delta=self.delta)

    def mean(self, parameters: Float[Tensor, "*shape targets parameters"]) -> Float[Tensor, "*shape targets"]:
        """The value itself."""
        return parameters[..., 0]

    def feedback(
        self,
        parameters: Float[Tensor, "*shape targets parameters"],
        generator: torch.Generator | None,
        share: Share | None = None,
    ) -> Float[Tensor, "*shape targets"]:
        """The value itself; nothing is drawn."""
        return self.mean(parameters)

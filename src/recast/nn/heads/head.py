"""The interface of heads: the meaning of the numbers that a model's readout gives for each target."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from recast.types import Forecast, Share


class Head(nn.Module, ABC):
    """Interprets a model's raw output as a forecast: its loss, its point and quantile forecasts, and what is fed back.

    A head has no weights; the model's linear readout gives `size` real numbers for each target. The first of them is
    the location. All values are scaled. A new head subclasses this and implements `size`, `losses`, `mean` and
    `feedback`; a probabilistic one also implements `quantiles`.

    Attributes:
        stochastic: Whether `feedback` draws at random, so that repeated forecasts differ.
        is_value: Whether its single parameter is itself the value fed back.
        levels: Levels of the quantiles in its forecasts, ascending, between 0 and 1.
    """

    stochastic: ClassVar[bool]
    is_value: ClassVar[bool] = False
    levels: tuple[float, ...] = ()

    @property
    @abstractmethod
    def size(self) -> int:
        """Numbers that the readout gives for each target."""

    @property
    def parts(self) -> frozenset[str]:
        """The parts of `Forecast` that a model's forecasts have."""
        drawn = {"samples"} if self.stochastic else {"quantiles"} if self.levels else set()
        return frozenset({"mean"} | drawn)

    def loss(
        self,
        parameters: Float[Tensor, "batch horizon targets parameters"],
        target: Float[Tensor, "batch horizon targets"],
        mask: Bool[Tensor, "batch horizon targets"] | None = None,
    ) -> Float[Tensor, ""]:
        """The training loss, averaged over batch, horizon and targets, counting only observed truths.

        Args:
            parameters: Raw output.
            target: The truth; any value, or NaN, where it was not observed.
            mask: True where it was observed; None: everywhere. If nothing was, the loss is 0 with zero gradient.
        """
        if mask is None:
            return self.mean_loss(parameters, target)
        # A gradient of zero times a NaN of the truth would be NaN. Every head has a loss at its own mean.
        truth = torch.where(mask, target, self.mean(parameters).detach())
        losses = self.losses(parameters, truth).where(mask, 0.0)
        return losses.sum() / mask.sum().clamp(min=1)

    @abstractmethod
    def losses(
        self,
        parameters: Float[Tensor, "batch horizon targets parameters"],
        target: Float[Tensor, "batch horizon targets"],
    ) -> Float[Tensor, "batch horizon targets"]:
        """The loss of each window, lead and target."""

    def mean_loss(
        self,
        parameters: Float[Tensor, "batch horizon targets parameters"],
        target: Float[Tensor, "batch horizon targets"],
    ) -> Float[Tensor, ""]:
        """The mean of `losses`; a head that can compute it in fewer operations overrides this."""
        return self.losses(parameters, target).mean()

    @abstractmethod
    def mean(self, parameters: Float[Tensor, "*shape targets parameters"]) -> Float[Tensor, "*shape targets"]:
        """The point forecast."""

    def quantiles(
        self, parameters: Float[Tensor, "*shape targets parameters"], levels: Sequence[float]
    ) -> Float[Tensor, "levels *shape targets"] | None:
        """The quantiles at the given levels, in closed form; None if the head cannot give one of them.

        Args:
            parameters: Raw output.
            levels: Probabilities between 0 and 1.
        """
        return None

    def forecast(
        self, parameters: Float[Tensor, "batch horizon targets parameters"], levels: Sequence[float] | None = None
    ) -> Forecast:
        """What the head gives without sampling: the mean and quantiles.

        Args:
            parameters: Raw output.
            levels: Levels of the quantiles; None: those of the head.
        """
        levels = self.levels if levels is None else tuple(levels)
        found = self.quantiles(parameters, levels) if levels else None
        return Forecast(self.mean(parameters), quantiles=found, levels=() if found is None else levels)

    @abstractmethod
    def feedback(
        self,
        parameters: Float[Tensor, "*shape targets parameters"],
        generator: torch.Generator | None,
        share: Share | None = None,
    ) -> Float[Tensor, "*shape targets"]:
        """The value fed to a decoder at the next step in place of the truth; gradients flow through it.

        Args:
            parameters: Raw output for this step.
            generator: Source of random numbers; None: torch's global one. Unused unless `stochastic`.
            share: Which rows of the global batch of all processes these are: random numbers are drawn for all of its
                rows.
        """

    def shift(
        self, parameters: Float[Tensor, "*shape targets parameters"], by: Float[Tensor, "..."]
    ) -> Float[Tensor, "*shape targets parameters"]:
        """Shifts the forecast by a known value, such as the last observation; its spread is unchanged.

        Args:
            parameters: Raw output.
            by: Added to the location, (..., targets); broadcast over the leading axes.
        """
        return parameters + functional.pad(by.unsqueeze(-1), (0, parameters.shape[-1] - 1))

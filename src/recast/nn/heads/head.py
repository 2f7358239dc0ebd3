"""The interface of heads: the meaning of the numbers that a model's readout gives for each target."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from recast.data.panel import Panel
from recast.data.spec import SeriesSpec
from recast.types import Forecast, Share


class Head(nn.Module, ABC):
    """Interprets a model's raw output as a forecast: its loss, its point and quantile forecasts, and what is fed back.

    The model's linear readout gives `size` real numbers for each target. The first of them is the location, to which
    an anchor is added. All values are scaled. A head has no weights, unless its docstring says which. A new head
    subclasses this and implements `size`, `losses`, `mean` and `feedback`; a probabilistic one also implements
    `quantiles`. In evaluation mode the loss is a function of its arguments; in training it may draw.

    Attributes:
        stochastic: Whether `feedback` draws at random, so that repeated forecasts differ.
        is_value: Whether its single parameter is itself the value fed back.
        counts: Whether it forecasts counts, 0, 1, 2 ... in the data's unit, whose mean is a positive function of the
            location.
        has_closed_quantiles: Whether `quantiles` is a formula of torch's operations, without a search or SciPy.
        levels: Levels of the quantiles in its forecasts, ascending, between 0 and 1.
    """

    stochastic: ClassVar[bool]
    is_value: ClassVar[bool] = False
    counts: ClassVar[bool] = False
    has_closed_quantiles: ClassVar[bool] = False
    levels: tuple[float, ...] = ()

    def adapt(self, spec: SeriesSpec) -> None:
        """Takes what it must know of the data; called by the model when it is built. Nothing unless overridden.

        Args:
            spec: The data's names, sizes and scaling.

        Raises:
            ConfigurationError: if it cannot forecast values that are scaled so.
        """

    def check_values(self, panel: Panel) -> None:
        """Refuses values that it cannot forecast; called before training. Nothing unless overridden.

        Args:
            panel: The data, in their own unit.

        Raises:
            DataError: if a target has such a value.
        """

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
        with torch.no_grad():
            stand_in = self.mean(parameters)
        truth = torch.where(mask, target, stand_in)
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
        """The quantiles at the given levels, from the inverse distribution function; None if one of them is unknown.

        Args:
            parameters: Raw output.
            levels: Probabilities between 0 and 1.
        """
        return None

    def inverse_at(
        self, parameters: Float[Tensor, "*shape targets parameters"]
    ) -> Callable[[Sequence[float]], Tensor] | None:
        """The quantiles as a function of any levels, without gradients; None for a head that does not define them.

        Args:
            parameters: Raw output.
        """
        if type(self).quantiles is Head.quantiles:
            return None
        kept = parameters.detach()

        def inverse(levels: Sequence[float]) -> Tensor:
            with torch.no_grad():
                found = self.quantiles(kept, levels)
            if found is None:
                raise ValueError(f"{type(self).__name__} draws at random, but knows no quantiles at {list(levels)}")
            return found

        return inverse

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

        Of counts the location is shifted, and their mean stays positive.

        Args:
            parameters: Raw output.
            by: Added to the location, (..., targets); broadcast over the leading axes.
        """
        return parameters + functional.pad(by.unsqueeze(-1), (0, parameters.shape[-1] - 1))

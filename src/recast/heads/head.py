"""What a head is: the meaning of the numbers that a model's readout gives for each target."""

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from recast.types import Share


class Head(nn.Module, ABC):
    """Reads a model's raw output as a forecast: its loss, its best value, what is fed back.

    A head has no weights; the model's linear readout gives `parameters_per_target` real numbers for each target. The
    first of them is the location. All values are scaled ones. A new head inherits from this class and writes `loss`,
    `mean` and `feedback`.

    Attributes:
        parameters_per_target: Numbers that the readout gives for each target.
        stochastic: Whether `feedback` draws at random, so that repeated forecasts differ.
        is_value: Whether its one parameter is itself what is fed back.
    """

    parameters_per_target: ClassVar[int]
    stochastic: ClassVar[bool]
    is_value: ClassVar[bool] = False

    @abstractmethod
    def loss(
        self,
        parameters: Float[Tensor, "batch horizon targets parameters"],
        target: Float[Tensor, "batch horizon targets"],
    ) -> Float[Tensor, ""]:
        """What training minimises, averaged over batch, horizon and targets."""

    @abstractmethod
    def mean(self, parameters: Float[Tensor, "*shape targets parameters"]) -> Float[Tensor, "*shape targets"]:
        """The point forecast."""

    @abstractmethod
    def feedback(
        self,
        parameters: Float[Tensor, "*shape targets parameters"],
        generator: torch.Generator | None,
        share: Share | None = None,
    ) -> Float[Tensor, "*shape targets"]:
        """What a decoder is fed at the next step in place of the truth; gradients flow through it.

        Args:
            parameters: Raw output for this step.
            generator: Source of random numbers; None: torch's global one. Not used where `stochastic` is false.
            share: Which rows of the batch of all processes these are: the numbers are drawn for all of its rows.
        """

    def shift(
        self, parameters: Float[Tensor, "*shape targets parameters"], by: Float[Tensor, "..."]
    ) -> Float[Tensor, "*shape targets parameters"]:
        """Moves the forecast by a known value, such as the last observation; its spread stays.

        Args:
            parameters: Raw output.
            by: Added to the location, (..., targets); broadcast over the leading axes.
        """
        return parameters + functional.pad(by.unsqueeze(-1), (0, parameters.shape[-1] - 1))

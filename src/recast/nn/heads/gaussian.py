"""A forecast of a normal distribution."""

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from recast.nn.heads.draws import drawn
from recast.nn.heads.head import Head
from recast.options import PositiveFloat, checked
from recast.types import Share

CONSTANT = math.log(2 * math.pi) / 2


class Gaussian(Head):
    """A normal distribution for each target, independent of the other targets given the past.

        location = parameter 0
        std = min_std + softplus(parameter 1)

    The loss is the mean negative log-likelihood with its constant,

        ((y - location) / std)² / 2 + log(std) + log(2 pi) / 2

    and a decoder is fed a sample (DeepAR: Salinas et al. 2020, arXiv 1704.04110, section 3.1), reparameterised as
    location + std eps, so that gradients flow through it (Kingma & Welling 2014, arXiv 1312.6114, section 2.4).

    Args:
        min_std: Smallest standard deviation; it keeps the likelihood bounded. [scaled units]

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    stochastic: ClassVar[bool] = True
    has_closed_quantiles: ClassVar[bool] = True

    @checked
    def __init__(self, *, min_std: PositiveFloat = 1e-3) -> None:
        super().__init__()
        self.min_std = min_std

    @property
    def size(self) -> int:
        """Two: location and spread."""
        return 2

    def losses(
        self,
        parameters: Float[Tensor, "batch horizon targets parameters"],
        target: Float[Tensor, "batch horizon targets"],
    ) -> Float[Tensor, "batch horizon targets"]:
        """The negative log-likelihood, in nats."""
        return self._without_constant(parameters, target) + CONSTANT

    def mean_loss(
        self,
        parameters: Float[Tensor, "batch horizon targets parameters"],
        target: Float[Tensor, "batch horizon targets"],
    ) -> Float[Tensor, ""]:
        """The mean negative log-likelihood, in nats."""
        return self._without_constant(parameters, target).mean() + CONSTANT

    def _without_constant(self, parameters: Tensor, target: Tensor) -> Tensor:
        std = self.std(parameters)
        # Divided before squaring: std² would overflow or underflow where std does not.
        error = (target - self.mean(parameters)) / std
        return error.square() / 2 + std.log()

    def mean(self, parameters: Float[Tensor, "*shape targets parameters"]) -> Float[Tensor, "*shape targets"]:
        """The location."""
        return parameters[..., 0]

    def quantiles(
        self, parameters: Float[Tensor, "*shape targets parameters"], levels: Sequence[float]
    ) -> Float[Tensor, "levels *shape targets"]:
        """Those of the normal distribution."""
        location = self.mean(parameters)
        normal = torch.special.ndtri(torch.tensor(levels, dtype=torch.float64, device=location.device))
        normal = normal.to(location.dtype).reshape(-1, *(1,) * location.dim())
        return location + self.std(parameters) * normal

    def std(self, parameters: Float[Tensor, "*shape targets parameters"]) -> Float[Tensor, "*shape targets"]:
        """The standard deviation."""
        return self.min_std + functional.softplus(parameters[..., 1])

    def feedback(
        self,
        parameters: Float[Tensor, "*shape targets parameters"],
        generator: torch.Generator | None,
        share: Share | None = None,
    ) -> Float[Tensor, "*shape targets"]:
        """A sample."""
        location = self.mean(parameters)
        return location + self.std(parameters) * drawn(torch.randn, location, generator, share)

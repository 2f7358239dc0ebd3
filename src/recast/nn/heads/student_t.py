"""A forecast of a Student-t distribution."""

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from recast.nn.heads.draws import drawn
from recast.nn.heads.head import Head
from recast.options import PositiveFloat, checked
from recast.types import Share

MOST = 1e6
"""Degrees of freedom beyond which the distribution is the normal one, to single precision."""


class StudentT(Head):
    """A Student-t distribution for each target: a normal one with heavier tails, which outliers move less.

        location = parameter 0
        scale    = min_scale + softplus(parameter 1)
        df       = min_df + softplus(parameter 2)

    The loss is the mean negative log-likelihood with its constant: with z = (y - location) / scale,

        (df + 1)/2 log(1 + z²/df) + log(scale) + log(pi df)/2 + log Gamma(df/2) - log Gamma((df + 1)/2)

    (Lange, Little & Taylor 1989, "Robust statistical modeling using the t distribution", JASA 84). A decoder is fed a
    sample location + scale T, from uniform U and V as T = sqrt(df (U^(-2/df) - 1)) cos(2 pi V) (Bailey 1994, "Polar
    generation of random variates with the t-distribution", Mathematics of Computation 62), so that gradients flow
    through it to all three.

    Args:
        min_scale: Smallest scale; it keeps the likelihood bounded. [scaled units]
        min_df: Degrees of freedom lie above it, at least 1. Above 1 the mean is finite, above 2 the variance.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    stochastic: ClassVar[bool] = True

    @checked
    def __init__(self, *, min_scale: PositiveFloat = 1e-3, min_df: Annotated[float, Ge(1)] = 2.0) -> None:
        super().__init__()
        self.min_scale = min_scale
        self.min_df = min_df

    @property
    def size(self) -> int:
        """Three: location, scale, degrees of freedom."""
        return 3

    def losses(
        self,
        parameters: Float[Tensor, "batch horizon targets parameters"],
        target: Float[Tensor, "batch horizon targets"],
    ) -> Float[Tensor, "batch horizon targets"]:
        """The negative log-likelihood, in nats."""
        scale, df = self.scale(parameters), self.df(parameters)
        error = (target - self.mean(parameters)) / scale
        # The difference of two large numbers where there are many degrees of freedom.
        exact = df.double()
        constant = (math.pi * exact).log() / 2 + torch.lgamma(exact / 2) - torch.lgamma((exact + 1) / 2)
        return (df + 1) / 2 * (error.square() / df).log1p() + scale.log() + constant.to(scale.dtype)

    def mean(self, parameters: Float[Tensor, "*shape targets parameters"]) -> Float[Tensor, "*shape targets"]:
        """The location."""
        return parameters[..., 0]

    def scale(self, parameters: Float[Tensor, "*shape targets parameters"]) -> Float[Tensor, "*shape targets"]:
        """The scale; the standard deviation is sqrt(df / (df - 2)) times it."""
        return self.min_scale + functional.softplus(parameters[..., 1])

    def df(self, parameters: Float[Tensor, "*shape targets parameters"]) -> Float[Tensor, "*shape targets"]:
        """The degrees of freedom."""
        return self.min_df + functional.softplus(parameters[..., 2]).clamp(max=MOST)

    def quantiles(
        self, parameters: Float[Tensor, "*shape targets parameters"], levels: Sequence[float]
    ) -> Float[Tensor, "levels *shape targets"]:
        """Those of the distribution, without gradients to its degrees of freedom."""
        # Torch has no inverse of this distribution function; scipy is imported for quantiles alone.
        from scipy.special import stdtrit

        location, df = self.mean(parameters), self.df(parameters).detach()
        exact = df.double().cpu().numpy()
        cuts = torch.stack([torch.as_tensor(stdtrit(exact, level)) for level in levels])
        return location + self.scale(parameters) * cuts.to(location)

    def feedback(
        self,
        parameters: Float[Tensor, "*shape targets parameters"],
        generator: torch.Generator | None,
        share: Share | None = None,
    ) -> Float[Tensor, "*shape targets"]:
        """A sample."""
        location, df = self.mean(parameters), self.df(parameters)
        radius, angle = drawn(torch.rand, torch.stack([location, location], dim=-1), generator, share).unbind(-1)
        # At 0 the sample would be infinite, at 1 its derivative.
        tiny = torch.finfo(radius.dtype).eps
        radius = radius.clamp(tiny, 1 - tiny)
        noise = (df * torch.expm1(-2 * radius.log() / df)).sqrt() * torch.cos(2 * math.pi * angle)
        return location + self.scale(parameters) * noise

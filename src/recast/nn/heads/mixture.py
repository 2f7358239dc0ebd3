"""A forecast of a mixture of normal distributions."""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from recast.nn.heads.draws import drawn
from recast.nn.heads.gaussian import CONSTANT
from recast.nn.heads.head import Head
from recast.options import PositiveFloat, PositiveInt, checked
from recast.types import Share

HALVINGS = 64
"""Of the interval in which a quantile lies: to the last digit of float64."""
LARGEST = 1e15
"""Error in standard deviations beyond which the loss grows no more: its square must stay finite in single precision."""


class Components(NamedTuple):
    """The normal distributions of a mixture."""

    log_weight: Float[Tensor, "*shape components"]
    location: Float[Tensor, "*shape components"]
    std: Float[Tensor, "*shape components"]


class Mixture(Head):
    """A mixture of K normal distributions for each target, for what has several modes or is skewed.

        location of component 1  = parameter 0
        location of component k  = parameter 0 + a parameter of its own
        std of component k       = min_std + softplus(a parameter of its own)
        weights                  = softmax of K parameters

    The loss is the mean negative log-likelihood, -log sum_k weight_k N(y; location_k, std_k) (Bishop 1994, "Mixture
    density networks", Aston University, equation 23). Quantiles are found by halving the interval between those of the
    components. A decoder is fed a sample; gradients flow through it as through the inverse F of the distribution
    function at a fixed level, dx/dtheta = -(dF/dtheta)/(dF/dx) (Figurnov et al. 2018, "Implicit reparameterization
    gradients", arXiv 1805.08498, equation 5), so that they reach the weights, too.

    Args:
        components: Number of normal distributions, K.
        min_std: Smallest standard deviation of each; it keeps the likelihood bounded. [scaled units]

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    stochastic: ClassVar[bool] = True

    @checked
    def __init__(self, *, components: PositiveInt = 3, min_std: PositiveFloat = 1e-3) -> None:
        super().__init__()
        self.count = components
        self.min_std = min_std

    @property
    def size(self) -> int:
        """Three for each component: location, spread, weight."""
        return 3 * self.count

    def components(self, parameters: Float[Tensor, "*shape targets parameters"]) -> Components:
        """The normal distributions."""
        location, spread, weight = parameters.split(self.count, dim=-1)
        apart = functional.pad(location[..., 1:], (1, 0))
        return Components(
            weight.log_softmax(dim=-1), location[..., :1] + apart, self.min_std + functional.softplus(spread)
        )

    def losses(
        self,
        parameters: Float[Tensor, "batch horizon targets parameters"],
        target: Float[Tensor, "batch horizon targets"],
    ) -> Float[Tensor, "batch horizon targets"]:
        """The negative log-likelihood, in nats."""
        return -_log_density(self.components(parameters), target)

    def mean(self, parameters: Float[Tensor, "*shape targets parameters"]) -> Float[Tensor, "*shape targets"]:
        """The mean of the mixture."""
        log_weight, location, _ = self.components(parameters)
        first = parameters[..., 0]
        return first + (log_weight.exp() * (location - first.unsqueeze(-1))).sum(dim=-1)

    def quantiles(
        self, parameters: Float[Tensor, "*shape targets parameters"], levels: Sequence[float]
    ) -> Float[Tensor, "levels *shape targets"]:
        """Those of the mixture, without gradients."""
        with torch.no_grad():
            parts = Components(*(part.double() for part in self.components(parameters)))
            found = torch.stack([_quantile(parts, level) for level in levels])
        return found.to(parameters.dtype)

    def feedback(
        self,
        parameters: Float[Tensor, "*shape targets parameters"],
        generator: torch.Generator | None,
        share: Share | None = None,
    ) -> Float[Tensor, "*shape targets"]:
        """A sample."""
        parts = self.components(parameters)
        noise = drawn(torch.randn, parts.location[..., 0], generator, share)
        chance = drawn(torch.rand, parts.location[..., 0], generator, share).unsqueeze(-1)
        with torch.no_grad():
            below = parts.log_weight.exp().cumsum(dim=-1) <= chance
            chosen = below.sum(dim=-1, keepdim=True).clamp(max=self.count - 1)
            sample = parts.location.gather(-1, chosen) + parts.std.gather(-1, chosen) * noise.unsqueeze(-1)
        sample = sample.squeeze(-1)
        if not parameters.requires_grad:
            return sample
        share_below = _distribution(parts, sample)
        with torch.no_grad():
            density = _log_density(parts, sample).exp().clamp(min=torch.finfo(sample.dtype).tiny)
        # Zero, but for its gradient.
        return sample - (share_below - share_below.detach()) / density


def _log_density(parts: Components, value: Tensor) -> Tensor:
    """The logarithm of the density at a value."""
    error = ((value.unsqueeze(-1) - parts.location) / parts.std).clamp(-LARGEST, LARGEST)
    return (parts.log_weight - error.square() / 2 - parts.std.log()).logsumexp(dim=-1) - CONSTANT


def _distribution(parts: Components, value: Tensor) -> Tensor:
    """The distribution function at a value."""
    share = torch.special.ndtr((value.unsqueeze(-1) - parts.location) / parts.std)
    return (parts.log_weight.exp() * share).sum(dim=-1)


def _quantile(parts: Components, level: float) -> Tensor:
    """Where the distribution function reaches a level."""
    normal = torch.special.ndtri(torch.tensor(level, dtype=parts.location.dtype, device=parts.location.device))
    ends = parts.location + parts.std * normal
    low, high = ends.amin(dim=-1), ends.amax(dim=-1)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        below = _distribution(parts, middle) < level
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return (low + high) / 2

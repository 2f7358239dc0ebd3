"""A forecast of counts."""

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from recast.data.panel import Panel
from recast.data.sources.stamps import stamp_text
from recast.data.spec import SeriesSpec
from recast.errors import ConfigurationError, DataError
from recast.nn.heads.draws import drawn
from recast.nn.heads.head import Head
from recast.options import PositiveFloat, checked
from recast.types import Share

LEAST = 1e-6
"""Dispersion below which the distribution is that of Poisson, to six digits."""


class NegativeBinomial(Head):
    """A negative binomial distribution of each target, which counts something: 0, 1, 2 ... in the data's unit.

        mean       = scale (min_mean + softplus(parameter 0))
        dispersion = softplus(parameter 1)
        variance   = mean + dispersion mean²

    With n = 1 / dispersion, the loss is the mean of -log P(k) of the counts k,

        log P(k) = log Gamma(k + n) - log Gamma(k + 1) - log Gamma(n) + n log(n / (n + mean)) + k log(mean / (n + mean))

    (DeepAR: Salinas et al. 2020, arXiv 1704.04110, section 3.1, where scale is the item's; the dispersion is not
    scaled). `scale` is that of the data, which must be a pure rescaling by a power of two (`data/scaler=rescale`) or
    none (`data/scaler=none`), the same for all windows, so that what is multiplied by it again is the same count. An
    anchor is added to parameter 0. A decoder is fed a sample over the scale; as a count has no derivative, gradients
    flow through the mean (straight-through, Bengio et al. 2013, arXiv 1308.3432, section 4). The ends of a band are
    counts, and so it holds more than it says.

    Args:
        min_mean: Smallest mean; it keeps a count above zero possible. [scaled units]

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    stochastic: ClassVar[bool] = True
    counts: ClassVar[bool] = True

    @checked
    def __init__(self, *, min_mean: PositiveFloat = 1e-3) -> None:
        super().__init__()
        self.min_mean = min_mean
        self.target_scale: tuple[float, ...] = (1.0,)

    def adapt(self, spec: SeriesSpec) -> None:
        """Takes the scale of the targets.

        Raises:
            ConfigurationError: if they are also shifted, or rounded, or not all windows are scaled alike.
        """
        remedy = "use data/scaler=rescale or data/scaler=none, or another head (model/head=gaussian)"
        if spec.local is not None:
            raise ConfigurationError(
                "NegativeBinomial: the targets are scaled item by item or window by window, but counts must all be "
                f"divided by the same number; {remedy}"
            )
        for name, offset in zip(spec.target_names, spec.target_offset, strict=True):
            if offset:
                raise ConfigurationError(
                    f"NegativeBinomial: the scaling subtracts {offset:g} from {name}, but counts can only be divided; "
                    f"{remedy}"
                )
        for name, scale in zip(spec.target_names, spec.target_scale, strict=True):
            if math.frexp(scale)[0] != 0.5:
                raise ConfigurationError(
                    f"NegativeBinomial: the scaling divides {name} by {scale:g}, no power of two, which rounds counts, "
                    f"so that a band may miss its own ends; {remedy}"
                )
        self.target_scale = spec.target_scale

    def check_values(self, panel: Panel) -> None:
        """Refuses targets that are no counts.

        Raises:
            DataError: for the first value that is negative or no whole number.
        """
        targets = panel.targets
        wrong = np.argwhere((targets < 0) | (np.isfinite(targets) & (targets != np.round(targets))))
        if len(wrong):
            row, target = wrong[0]
            found = f"{panel.names[target]} is {targets[row, target]:g} at {stamp_text(panel.clock[row])}"
            raise DataError(
                f"{panel.label}: {found}, but model/head=negative_binomial forecasts counts (0, 1, 2, ...); use "
                "another head (model/head=gaussian)"
            )

    @property
    def size(self) -> int:
        """Two: mean and dispersion."""
        return 2

    def losses(
        self,
        parameters: Float[Tensor, "batch horizon targets parameters"],
        target: Float[Tensor, "batch horizon targets"],
    ) -> Float[Tensor, "batch horizon targets"]:
        """The negative log-probability, in nats."""
        # The differences of large numbers, where the dispersion is small.
        scale = self._scale(parameters).double()
        mean, n = self.mean(parameters).double() * scale, 1 / self.dispersion(parameters).double()
        count = (target.double() * scale).round()
        ways = torch.lgamma(count + n) - torch.lgamma(count + 1) - torch.lgamma(n)
        losses = n * (mean / n).log1p() - ways - count * (mean / (n + mean)).log()
        return losses.to(parameters.dtype)

    def mean(self, parameters: Float[Tensor, "*shape targets parameters"]) -> Float[Tensor, "*shape targets"]:
        """The mean over the scale."""
        return self.min_mean + functional.softplus(parameters[..., 0])

    def dispersion(self, parameters: Float[Tensor, "*shape targets parameters"]) -> Float[Tensor, "*shape targets"]:
        """What the square of the mean adds to the variance."""
        return functional.softplus(parameters[..., 1]).clamp(min=LEAST)

    def quantiles(
        self, parameters: Float[Tensor, "*shape targets parameters"], levels: Sequence[float]
    ) -> Float[Tensor, "levels *shape targets"]:
        """The smallest counts that the level is reached at, over the scale; without gradients."""
        like = parameters[..., 0]
        return torch.stack([self._inverse(parameters, torch.full_like(like, level)) for level in levels])

    def feedback(
        self,
        parameters: Float[Tensor, "*shape targets parameters"],
        generator: torch.Generator | None,
        share: Share | None = None,
    ) -> Float[Tensor, "*shape targets"]:
        """A sample: the inverse of the distribution function at a uniform number."""
        mean = self.mean(parameters)
        sample = self._inverse(parameters, drawn(torch.rand, mean, generator, share))
        # Zero, but for its gradient.
        return sample + (mean - mean.detach())

    def _scale(self, parameters: Tensor) -> Tensor:
        return torch.tensor(self.target_scale, dtype=parameters.dtype, device=parameters.device)

    def _inverse(self, parameters: Tensor, level: Tensor) -> Tensor:
        """The counts at levels, over the scale."""
        # Torch has no inverse of this distribution function; scipy is imported for it alone.
        from scipy.stats import nbinom

        scale = self._scale(parameters).double()
        mean = self.mean(parameters).detach().double() * scale
        n = 1 / self.dispersion(parameters).detach().double()
        found = nbinom.ppf(*(part.cpu().numpy() for part in (level.double(), n, n / (n + mean))))
        # At level 0 the inverse is the count before the first one.
        count = torch.as_tensor(np.maximum(found, 0.0), device=parameters.device)
        return (count / scale).to(parameters.dtype)

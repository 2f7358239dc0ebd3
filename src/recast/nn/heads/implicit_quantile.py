"""A forecast of the whole quantile function, as a network of the level."""

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from recast.nn.heads.draws import ResumableGenerator, drawn
from recast.nn.heads.head import Head
from recast.options import PositiveInt, checked
from recast.types import Share, interpolated

NODES = 64
"""Of the quadrature for the mean."""
TAIL = (0.0005, 0.001, 0.0025, 0.005, 0.01)
GRID = (*TAIL, *(number / 40 for number in range(1, 40)), *(1 - level for level in reversed(TAIL)))
"""Levels at which the function is put in order."""
AT_ONCE = 2**22
"""Numbers of the embedding that are in memory at a time without gradients."""


class ImplicitQuantile(Head):
    """The quantile of each target at any level p, from a small network with weights of its own that reads the level.

        q(p)   = parameter 0 + f(psi * (1 + phi(p)))
        phi(p) = relu(A c(p) + a),   c(p) = (cos(0), cos(pi p), ..., cos((cosines - 1) pi p))
        f(x)   = b . softplus(B x + d)

    with psi the other parameters, one for each feature (Gouttes et al. 2021, "Probabilistic time series forecasting
    with implicit quantile networks", arXiv 2107.03743, section 3; Dabney et al. 2018, arXiv 1806.06923, equation 4).
    The loss is the mean pinball loss over levels drawn uniformly for each batch, one in each of `draws` equal parts;
    doubled, its expectation is the continuous ranked probability score. In evaluation mode the levels are the midpoints
    of these parts. A decoder is fed the quantile at a random level, which is a sample. No distribution is assumed.
    Nothing keeps q from falling: quantiles are those of q on a grid of levels, put in order (Chernozhukov et al. 2010,
    "Quantile and probability curves without crossing", Econometrica 78) and joined linearly.

    Args:
        features: Numbers that the level's embedding multiplies, for each target.
        cosines: Cosines that embed the level.
        draws: Levels for each batch in training, one in each of so many equal parts.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    stochastic: ClassVar[bool] = True
    has_closed_quantiles: ClassVar[bool] = True

    @checked
    def __init__(self, *, features: PositiveInt = 16, cosines: PositiveInt = 64, draws: PositiveInt = 8) -> None:
        super().__init__()
        self.features = features
        self.cosines = cosines
        self.draws = draws
        self.embedding = nn.Linear(cosines, features)
        self.hidden = nn.Linear(features, features)
        self.output = nn.Linear(features, 1, bias=False)
        self.drawing = ResumableGenerator()

    @property
    def size(self) -> int:
        """The location, and the features."""
        return 1 + self.features

    def losses(
        self,
        parameters: Float[Tensor, "batch horizon targets parameters"],
        target: Float[Tensor, "batch horizon targets"],
    ) -> Float[Tensor, "batch horizon targets"]:
        """The mean of the pinball losses over levels."""
        within = torch.rand(self.draws, generator=self.drawing.generator) if self.training else 0.5
        level = ((torch.arange(self.draws) + within) / self.draws).to(target)
        above = target.unsqueeze(-1) - self._read(parameters.unsqueeze(-2), self._embed(level))
        return torch.maximum(level * above, (level - 1) * above).mean(dim=-1)

    def quantile(
        self, parameters: Float[Tensor, "*shape parameters"], level: Float[Tensor, "*levels"]
    ) -> Float[Tensor, "*levels"]:
        """q(p) at a level for each element.

        Args:
            parameters: Raw output, of a shape that broadcasts to that of the levels.
            level: The levels p.
        """
        return self._read(parameters, self._embed(level))

    def _embed(self, level: Tensor) -> Tensor:
        frequency = math.pi * torch.arange(self.cosines, dtype=level.dtype, device=level.device)
        return self.embedding((level.unsqueeze(-1) * frequency).cos()).relu()

    def _read(self, parameters: Tensor, embedded: Tensor) -> Tensor:
        found = self.output(functional.softplus(self.hidden(parameters[..., 1:] * (1 + embedded))))
        return parameters[..., 0] + found.squeeze(-1)

    def _at(self, parameters: Tensor, levels: Sequence[float]) -> Tensor:
        """q(p) of all elements at each of the levels, one by one to save memory."""
        level = torch.tensor(levels, dtype=parameters.dtype, device=parameters.device)
        return torch.stack([self._read(parameters, embedded) for embedded in self._embed(level)])

    def mean(self, parameters: Float[Tensor, "*shape targets parameters"]) -> Float[Tensor, "*shape targets"]:
        """The integral of q over the levels from 0 to 1, by Gauss-Legendre quadrature."""
        places, weights = np.polynomial.legendre.leggauss(NODES)
        first = parameters[..., 0]
        away = self._at(parameters, ((1 + places) / 2).tolist()) - first
        return first + torch.tensordot(torch.from_numpy(weights / 2).to(away), away, dims=1)

    def quantiles(
        self, parameters: Float[Tensor, "*shape targets parameters"], levels: Sequence[float]
    ) -> Float[Tensor, "levels *shape targets"] | None:
        """Those of the function rearranged; beyond the outermost level of the grid, the outermost quantile."""
        known = self._at(parameters, GRID).sort(dim=0).values
        return interpolated(known, GRID, [min(max(level, GRID[0]), GRID[-1]) for level in levels])

    def feedback(
        self,
        parameters: Float[Tensor, "*shape targets parameters"],
        generator: torch.Generator | None,
        share: Share | None = None,
    ) -> Float[Tensor, "*shape targets"]:
        """The quantile at a random level."""
        level = drawn(torch.rand, parameters[..., 0], generator, share)
        if torch.is_grad_enabled():
            return self.quantile(parameters, level)
        rows = max(1, AT_ONCE * len(level) // (level.numel() * self.cosines))
        parts = zip(parameters.split(rows), level.split(rows), strict=True)
        return torch.cat([self.quantile(*part) for part in parts])

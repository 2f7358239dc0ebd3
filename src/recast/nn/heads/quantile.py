"""A forecast of quantiles."""

from collections.abc import Sequence
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from recast.errors import ConfigurationError
from recast.nn.heads.head import Head
from recast.options import LEVELS, Levels, checked
from recast.types import SAME_LEVEL, Share, interpolated


class Quantile(Head):
    """Quantiles for each target at chosen levels, without distributional assumptions; they never cross.

        q(0.5) = parameter 0
        q(p)   = the next quantile towards 0.5, plus (p above 0.5) or minus (below) softplus(a parameter of its own)

    The loss is the mean over levels of the pinball loss of the truth y,

        p (y - q(p))          where y >= q(p)
        (1 - p) (q(p) - y)    where y < q(p)

    (Koenker & Bassett 1978, "Regression quantiles", Econometrica 46; for recurrent networks Wen et al. 2017, arXiv
    1711.11053; for increments that keep quantiles apart Gasthaus et al. 2019, "Probabilistic forecasting with spline
    quantile function RNNs", AISTATS). The median is the point forecast and what a decoder is fed, so that with feedback
    the quantiles of a lead are conditional on all earlier leads being at their medians.

    Args:
        levels: Levels of the quantiles, ascending, between 0 and 1; 0.5 is one of them. Between them quantiles are
            interpolated linearly; beyond the outermost ones none are given.

    Raises:
        ConfigurationError: if an option has the wrong type, or the levels do not ascend or lack 0.5.
    """

    stochastic: ClassVar[bool] = False

    @checked
    def __init__(self, *, levels: Levels = LEVELS) -> None:
        super().__init__()
        self.levels = tuple(levels)
        middle = [place for place, level in enumerate(self.levels) if abs(level - 0.5) < SAME_LEVEL]
        if not middle:
            raise ConfigurationError(
                f"Quantile: levels={list(self.levels)}: the median is the point forecast and what is fed back; add 0.5"
            )
        self.below = middle[0]

    @property
    def size(self) -> int:
        """One for each level."""
        return len(self.levels)

    def losses(
        self,
        parameters: Float[Tensor, "batch horizon targets parameters"],
        target: Float[Tensor, "batch horizon targets"],
    ) -> Float[Tensor, "batch horizon targets"]:
        """The mean of the pinball losses over levels."""
        found = self.known_quantiles(parameters)
        level = torch.tensor(self.levels, dtype=found.dtype, device=found.device)
        above = target.unsqueeze(-1) - found
        return torch.maximum(level * above, (level - 1) * above).mean(dim=-1)

    def known_quantiles(
        self, parameters: Float[Tensor, "*shape targets parameters"]
    ) -> Float[Tensor, "*shape targets levels"]:
        """The quantiles at the levels of the head."""
        median, steps = parameters[..., :1], functional.softplus(parameters[..., 1:])
        # The first increments go down from the median, the others up.
        below, above = steps[..., : self.below].cumsum(dim=-1), steps[..., self.below :].cumsum(dim=-1)
        return torch.cat([median - below.flip(-1), median, median + above], dim=-1)

    def mean(self, parameters: Float[Tensor, "*shape targets parameters"]) -> Float[Tensor, "*shape targets"]:
        """The median."""
        return parameters[..., 0]

    def quantiles(
        self, parameters: Float[Tensor, "*shape targets parameters"], levels: Sequence[float]
    ) -> Float[Tensor, "levels *shape targets"] | None:
        """Those of the head, interpolated linearly; None beyond the outermost ones."""
        return interpolated(self.known_quantiles(parameters).movedim(-1, 0), self.levels, levels)

    def feedback(
        self,
        parameters: Float[Tensor, "*shape targets parameters"],
        generator: torch.Generator | None,
        share: Share | None = None,
    ) -> Float[Tensor, "*shape targets"]:
        """The median; nothing is drawn."""
        return self.mean(parameters)

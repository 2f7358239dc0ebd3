"""Several forecasts of the same windows as one."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from recast.errors import ConfigurationError
from recast.types import Forecast

Join = Callable[[Float[Tensor, "members ..."]], Float[Tensor, "..."]]
"""What makes one number of that of each member: their weighted mean, or their median."""

GRID = 200
"""Levels that the quantile function is known at from which is drawn; linear between them, held beyond."""


def median(values: Float[Tensor, "members ..."]) -> Float[Tensor, "..."]:
    """The median over members; of an even number the mean of the two in the middle."""
    ordered, last = values.sort(dim=0).values, len(values) - 1
    return (ordered[last // 2] + ordered[(last + 1) // 2]) / 2


def combined(
    forecasts: Sequence[Forecast],
    join: Join,
    *,
    weights: Float[Tensor, " members"],
    levels: Sequence[float],
    generator: torch.Generator,
) -> Forecast:
    """The forecasts of several models as one, with what all of them have.

    The mean is joined, and so are quantiles, level by level (Vincent 1912; Ratcliff 1979, Psychological Bulletin 86:
    "Vincentization"): an average of quantile functions keeps the shape that the members have in common and is as sharp
    as they are, where a mixture is as wide as they disagree (Lichtendahl, Grushka-Cockayne & Winkler 2013, "Is it
    better to average probabilities or quantiles?", Management Science 59). Where members are sampled because they feed
    draws back, and so know no quantiles but those of their samples, the samples are pooled, each member's in
    proportion to its weight: the mixture (linear pool; Stone 1961), as of deep ensembles (Lakshminarayanan et al. 2017,
    arXiv 1612.01474).

    Args:
        forecasts: Of the members.
        join: Their mean or median.
        weights: Of the members, for pooled samples; not negative.
        levels: Levels of the quantiles where some members are not sampled.
        generator: Source of the draws from a joined quantile function.

    Raises:
        ConfigurationError: if a member has too few samples for the levels.
    """
    mean = join(torch.stack([forecast.mean for forecast in forecasts]))
    if any(forecast.is_point for forecast in forecasts):
        return Forecast(mean)
    samples = [forecast.samples for forecast in forecasts if forecast.samples is not None]
    if len(samples) < len(forecasts):
        found = _quantiles(forecasts, join, levels)
        if found is None:
            raise ConfigurationError(
                f"Ensemble: a member that is sampled knows no quantiles at {levels[0]:g} and {levels[-1]:g} from so "
                "few samples; draw more (samples)"
            )
        return Forecast(mean, quantiles=found, levels=tuple(levels))
    if any(forecast.inverse is None for forecast in forecasts):
        return Forecast(mean, _pooled(samples, weights))

    def inverse(levels: Sequence[float]) -> Tensor | None:
        return _quantiles(forecasts, join, levels)

    reach = min(forecast.reach for forecast in forecasts)
    return Forecast(mean, _drawn(inverse, len(samples[0]), generator), inverse=inverse, reach=reach)


def _quantiles(forecasts: Sequence[Forecast], join: Join, levels: Sequence[float]) -> Tensor | None:
    """The joined quantiles; None where a member does not know one."""
    known = [found for forecast in forecasts if (found := forecast.quantiles_at(levels)) is not None]
    return join(torch.stack(known)) if len(known) == len(forecasts) else None


def _pooled(samples: Sequence[Tensor], weights: Float[Tensor, " members"]) -> Tensor:
    """Of each member's equally probable samples a number in proportion to its weight, and all of one member.

    They are spaced evenly: an ensemble among the members has the samples of its own members one after the other.
    """
    shares = (weights / weights.max()).tolist()
    pools = [(drawn, len(drawn), share) for drawn, share in zip(samples, shares, strict=True)]
    whole = min(count / share for _, count, share in pools if share > 0)
    return torch.cat([drawn[_evenly_spaced(count, round(share * whole))] for drawn, count, share in pools])


def _evenly_spaced(count: int, wanted: int) -> list[int]:
    """The middles of as many equal parts of range(count)."""
    return [(2 * place + 1) * count // (2 * wanted) for place in range(wanted)]


def _drawn(inverse: Callable[[Sequence[float]], Tensor | None], count: int, generator: torch.Generator) -> Tensor:
    """Draws from a quantile function, independent of each other, as leads are that are not fed back."""
    known = inverse([(place + 0.5) / GRID for place in range(GRID)])
    if known is None:
        raise ValueError("a head that is sampled knows its quantiles at any level")
    places = torch.rand(count, *known.shape[1:], generator=generator).to(known) * GRID - 0.5
    places = places.clamp(0, GRID - 1)
    below = places.floor().long().clamp(max=GRID - 2)
    return known.gather(0, below).lerp(known.gather(0, below + 1), places - below)

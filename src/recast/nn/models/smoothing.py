"""Exponential smoothing of a level and of seasons, over the context of windows."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor


class Smoothed(NamedTuple):
    """What smoothing found.

    level: after the last step; seasonal: the sum of the seasons at each step, as expected before that step was seen;
    ahead: the same at each lead.
    """

    level: Float[Tensor, "batch 1 targets"]
    seasonal: Float[Tensor, "batch time targets"]
    ahead: Float[Tensor, "batch leads targets"]


def smoothed(
    values: Float[Tensor, "batch time targets"],
    observed: Bool[Tensor, "batch time targets"],
    rates: Float[Tensor, "#batch rates #targets"],
    seasons: Sequence[int],
    leads: int,
) -> Smoothed:
    """Holt-Winters smoothing without trend, with any number of additive seasons.

    Taylor 2003, "Short-term electricity demand forecasting using double seasonal exponential smoothing", Journal of the
    Operational Research Society 54. With a the rate of the level l, and g_i that of season i of length m_i,

        e_t   = y_t - l_(t-1) - sum over i of s_i(t - m_i)
        l_t   = l_(t-1) + a e_t
        s_i(t) = s_i(t - m_i) + g_i (1 - a) e_t

    which is Taylor's form written with errors; where y_t was not observed, e_t = 0. The first `max(seasons)` steps give
    the start: the level is their mean, season i the mean at each of its phases of what the shorter ones leave.

    Args:
        values: Targets; what was not observed is not read.
        observed: Where they were.
        rates: a, then g_i in the order of `seasons`, each between 0 and 1.
        seasons: Lengths, ascending; the context is twice as long as the last, or longer. [steps]
        leads: Leads of the forecast. [steps]
    """
    begin = seasons[-1]
    known, seen = values.where(observed, 0.0)[:, :begin], observed[:, :begin]
    level = known.sum(dim=1) / seen.sum(dim=1).clamp(min=1)
    left = (known - level.unsqueeze(1)).where(seen, 0.0)
    states: list[list[Tensor]] = []
    for length in seasons:
        phases = torch.arange(begin, device=values.device) % length
        one_hot = torch.nn.functional.one_hot(phases, length).to(values.dtype)
        sums, counts = (torch.einsum("btc,tp->bpc", part, one_hot) for part in (left, seen.to(values.dtype)))
        season = sums / counts.clamp(min=1)
        left = (left - season[:, phases]).where(seen, 0.0)
        states.append(list(season.unbind(1)))
    alpha, *gammas = rates.unbind(1)
    found = []
    for step, (value, there) in enumerate(zip(values.unbind(1), observed.unbind(1), strict=True)):
        phases = [step % length for length in seasons]
        expected = torch.stack([state[phase] for state, phase in zip(states, phases, strict=True)]).sum(dim=0)
        found.append(expected)
        if step < begin:
            continue
        error = (value - level - expected).where(there, 0.0)
        level = level + alpha * error
        for state, phase, gamma in zip(states, phases, gammas, strict=True):
            state[phase] = state[phase] + gamma * (1 - alpha) * error
    time = values.shape[1]
    ahead = [
        torch.stack([state[step % length] for state, length in zip(states, seasons, strict=True)]).sum(dim=0)
        for step in range(time, time + leads)
    ]
    return Smoothed(level.unsqueeze(1), torch.stack(found, dim=1), torch.stack(ahead, dim=1))

"""The categorical distribution of a category with many levels: its cross-entropy, and how levels are drawn from it.

It stands beside the heads of real targets: a category has no mean, no scale, and nothing that an anchor could be added
to.
"""

from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from recast.options import NonNegativeFloat, PositiveInt, Probability, checked

ONCE = 1 << 22
"""Probabilities in memory at a time."""

UNCOUNTED = -100
"""A truth that the mean leaves out, as that of padding; torch's own default."""


def cross_entropy(
    logits: Float[Tensor, "*steps levels"], truth: Int[Tensor, "*steps"], smoothing: float = 0.0
) -> Float[Tensor, ""]:
    """The mean of -log P(truth), in nats: P is the softmax of the logits.

    Args:
        logits: A number for each level.
        truth: The true level, or `UNCOUNTED`.
        smoothing: Share of the true level's weight that is spread over all levels (Szegedy et al. 2016, arXiv
            1512.00567, section 7).
    """
    return functional.cross_entropy(
        logits.flatten(0, -2), truth.flatten(), ignore_index=UNCOUNTED, label_smoothing=smoothing
    )


def log_probabilities(logits: Float[Tensor, "*steps levels"], truth: Int[Tensor, "*steps"]) -> Float[Tensor, "*steps"]:
    """The logarithm of P(truth), in nats."""
    return logits.log_softmax(-1).gather(-1, truth.unsqueeze(-1)).squeeze(-1)


@final
class Sampler:
    """Draws levels from the softmax of logits / temperature, cut off and normalised again.

    Args:
        temperature: Below 1 the likely become likelier, above 1 less so; 0: always the likeliest.
        top_k: Draws from the k likeliest only; none: from all.
        top_p: Draws from the likeliest whose probabilities add up to p, the one that passes p included (nucleus
            sampling, Holtzman et al. 2020, arXiv 1904.09751, section 3.1). Applied after `top_k`.
        never: A level that is never drawn; none: any may be.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    @checked
    def __init__(
        self,
        *,
        temperature: NonNegativeFloat = 1.0,
        top_k: PositiveInt | None = None,
        top_p: Probability = 1.0,
        never: int | None = None,
    ) -> None:
        self.temperature = temperature
        self.top_k = top_k
        self.top_p = top_p
        self.never = never

    def probabilities(self, logits: Float[Tensor, "*batch levels"]) -> Float[Tensor, "*batch levels"]:
        """The probability by which each level is drawn, float64.

        Args:
            logits: A number for each level.
        """
        logits = logits.double().clone()
        if self.never is not None:
            logits[..., self.never] = -torch.inf
        if self.temperature == 0:
            return functional.one_hot(logits.argmax(-1), logits.shape[-1]).double()
        # Less the largest before the division: a temperature near 0 would make them infinite.
        logits = (logits - logits.amax(-1, keepdim=True)) / self.temperature
        ordered, levels = logits.softmax(-1).sort(dim=-1, descending=True, stable=True)
        if self.top_k is not None:
            ordered[..., self.top_k :] = 0.0
            ordered = ordered / ordered.sum(-1, keepdim=True)
        before = ordered.cumsum(-1) - ordered
        # The likeliest is kept whatever p is.
        ordered[..., 1:] = ordered[..., 1:].where(before[..., 1:] < self.top_p, 0.0)
        kept = torch.zeros_like(ordered).scatter(-1, levels, ordered)
        return kept / kept.sum(-1, keepdim=True)

    def draw(self, logits: Float[Tensor, "batch levels"], generator: torch.Generator) -> Int[Tensor, " batch"]:
        """One level for each row.

        Args:
            logits: A number for each level.
            generator: What draws, on the CPU.
        """
        return torch.multinomial(self.probabilities(logits).cpu(), 1, generator=generator).squeeze(-1)

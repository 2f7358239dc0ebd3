"""Order statistics of conformity scores, and the finite-sample quantile."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from recast.errors import ConfigurationError

MOST = 999
"""Ranks that are kept: of more scores those in between are rounded up, so that bands widen by a thousandth at most."""


@dataclass(frozen=True, eq=False)
class ScoreTable:
    """The scores of n calibration windows in ascending order, for each kind of score, lead and target by itself.

    Args:
        values: Scores at the ranks ceil(k (n + 1) / (ranks + 1)), k = 1, 2, ..., n the truths that were observed. Where
            they are fewer than elsewhere, ranks beyond n are infinite: no band of such a level is known there.
    """

    values: Float[Tensor, "ranks kinds horizon targets"]

    @classmethod
    def of(cls, scores: Float[Tensor, "windows kinds horizon targets"]) -> "ScoreTable":
        """The table of scores.

        Args:
            scores: NaN where the truth was not observed.

        Raises:
            ConfigurationError: if no truth at all was observed.
        """
        counts = (~scores.isnan()).sum(dim=0)
        if not counts.any():
            raise ConfigurationError("no truth was observed in the windows that calibrate; use more of them")
        ranks = min(MOST, int(counts.max()))
        place = torch.arange(1, ranks + 1).reshape(-1, 1, 1, 1)
        # In whole numbers: ceil(k (n + 1) / (ranks + 1)).
        rank = -(-place * (counts + 1) // (ranks + 1))
        ordered = scores.double().sort(dim=0).values.nan_to_num(nan=torch.inf, posinf=torch.inf)
        return cls(ordered.gather(0, (rank - 1).clamp(0, len(scores) - 1)))

    @classmethod
    def restored(cls, values: object, kinds: int, horizon: int, targets: int) -> "ScoreTable":
        """The table that a checkpoint of unknown origin holds.

        Raises:
            ConfigurationError: if it is no table of such scores.
        """
        if not isinstance(values, Tensor) or values.dtype != torch.float64 or values.dim() != 4:
            raise ConfigurationError("calibration: it holds no table of scores")
        ranks, *others = values.shape
        if others != [kinds, horizon, targets] or not 0 < ranks <= MOST or values.isnan().any():
            raise ConfigurationError(
                f"calibration: scores of shape {tuple(values.shape)} do not fit {kinds} kinds, {horizon} leads and "
                f"{targets} targets"
            )
        return cls(values)

    @property
    def most(self) -> float:
        """The largest probability for which the table has a score, at the lead and target with the most truths."""
        return len(self.values) / (len(self.values) + 1)

    def place(self, probability: float) -> int:
        """Number of the score that is asked for, from 1; 0 for the probability 0."""
        # But for rounding: 0.9 times 10 is 9.
        return math.ceil(probability * (len(self.values) + 1) - 1e-9)

    def at(self, probability: float) -> Float[Tensor, "kinds horizon targets"]:
        """What a further score does not exceed with at least this probability, if it is exchangeable with those here.

        It is the one of rank ceil((n + 1) probability) (Vovk, Gammerman & Shafer 2005, "Algorithmic learning in a
        random world"; Lei et al. 2018, JASA 113, equation 5): 0 for probability 0; infinite where it is not known.

        Args:
            probability: At most `most`.
        """
        place = self.place(probability)
        return self.values[place - 1] if place else torch.zeros_like(self.values[0])

    def leads(self, horizon: int) -> "ScoreTable":
        """That of the first leads alone."""
        return ScoreTable(self.values[:, :, :horizon])

    def to(self, device: torch.device) -> "ScoreTable":
        """The same on a device."""
        return ScoreTable(self.values.to(device))

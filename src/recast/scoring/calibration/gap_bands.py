"""Bands of filled values, from a model's errors at values removed from windows that it was not trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int

from recast.errors import ConfigurationError
from recast.scoring.calibration.score_table import ScoreTable

FEWEST = 50
"""Errors of each target that a class of distances has; of fewer it is joined to the next, the last to that before."""


def distances(observed: Bool[np.ndarray, "*windows steps targets"]) -> Int[np.ndarray, "*windows steps targets"]:
    """Steps to the nearest observation on either side, 0 where there is one, as many as there are steps without any."""
    steps = observed.shape[-2]
    place = np.arange(steps)[:, np.newaxis]
    before = place - np.maximum.accumulate(np.where(observed, place, -steps), axis=-2)
    after = np.flip(np.minimum.accumulate(np.flip(np.where(observed, place, 2 * steps), -2), axis=-2), -2) - place
    return np.minimum(np.minimum(before, after), steps)


@dataclass(frozen=True, eq=False)
class GapBands:
    """Split conformal bands of filled values, for each target and each class of distances from an observation.

    With the errors |truth - estimate| at n values removed from validation windows, the band of level p is the estimate
    ± the error of rank ceil((n + 1) p) (Papadopoulos et al. 2002, "Inductive confidence machines for regression"; Lei
    et al. 2018, JASA 113, algorithm 2), taken separately for values that lie as far from the nearest observation
    (Vovk 2012, "Conditional validity of inductive conformal predictors": by categories). They hold as often as they say
    where gaps are like the values removed; those farther away than any of these have the band of the last class.

    Args:
        reach: Largest distance of each class, ascending. [steps]
        table: Errors in the data's unit; its leads are the classes.
    """

    reach: tuple[int, ...]
    table: ScoreTable

    @classmethod
    def of(
        cls,
        errors: Float[np.ndarray, "values targets"],
        distance: Int[np.ndarray, "values targets"],
    ) -> "GapBands | None":
        """The bands of a model; None if fewer values were removed than a band takes.

        Args:
            errors: Absolute errors, NaN where nothing was removed, in the data's unit.
            distance: Steps to the nearest observation.
        """
        removed = ~np.isnan(errors)
        bounds, low = [], 1
        for high in _powers(int(distance[removed].max(initial=0))):
            if (removed & (distance >= low) & (distance <= high)).sum(axis=0).min() >= FEWEST:
                bounds.append(high)
                low = high + 1
        if not bounds:
            return None
        # The last class takes what lies beyond it and is too rare for one of its own.
        farthest = int(distance[removed].max())
        edges = [0, *bounds[:-1], max(bounds[-1], farthest)]
        classes = [np.where((distance > low) & (distance <= high), errors, np.nan) for low, high in pairwise(edges)]
        table = ScoreTable.of(torch.from_numpy(np.stack(classes, axis=1)).unsqueeze(1))
        return cls(tuple(edges[1:]), table)

    def to_dict(self) -> dict[str, Any]:
        """Plain containers and tensors, suitable for a checkpoint."""
        return {"reach": list(self.reach), "errors": self.table.values.clone()}

    @classmethod
    def restored(cls, values: object, targets: int) -> "GapBands":
        """The inverse of `to_dict`, for values of unknown origin.

        Raises:
            ConfigurationError: if they are no such bands.
        """
        if not isinstance(values, Mapping) or set(values) != {"reach", "errors"}:
            raise ConfigurationError("gap bands: expected reach and errors")
        reach = values["reach"]
        whole = isinstance(reach, list) and reach and all(type(steps) is int and steps > 0 for steps in reach)
        if not whole or sorted(set(reach)) != reach:
            raise ConfigurationError("gap bands: reach: expected ascending numbers of steps")
        return cls(tuple(reach), ScoreTable.restored(values["errors"], 1, len(reach), targets))

    @property
    def most(self) -> float:
        """The largest level that there is a band of for every target and distance."""
        ranks = self.table.values.isfinite().all(dim=(1, 2, 3)).sum().item()
        return ranks / (len(self.table.values) + 1)

    def half_widths(
        self, distance: Int[np.ndarray, "rows targets"], levels: Sequence[float]
    ) -> Float64[np.ndarray, "levels rows targets"]:
        """Half the width of the bands of values, in the data's unit.

        Args:
            distance: Steps from each value to the nearest observation; 0 for an observation, whose band has no width.
            levels: Probabilities that the bands hold the truth with.

        Raises:
            ConfigurationError: if a level is higher than the errors can tell.
        """
        for level in levels:
            if level > self.most + 1e-9:
                raise ConfigurationError(
                    f"levels: the removed values of validation are too few for a band of {level:g}; the highest level "
                    f"is {self.most:.3f}"
                )
        places = np.searchsorted(self.reach, distance).clip(max=len(self.reach) - 1)
        found = [np.take_along_axis(self.table.at(level)[0].numpy(), places, axis=0) for level in levels]
        return np.where(distance == 0, 0.0, np.stack(found)) if found else np.zeros((0, *distance.shape))


def _powers(farthest: int) -> list[int]:
    """1, 2, 4, ... up to the first that is not below a distance."""
    found = [1]
    while found[-1] < farthest:
        found.append(2 * found[-1])
    return found

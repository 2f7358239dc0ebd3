"""Ridge regression from sums over windows, its penalties chosen by leaving out blocks of them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from math import inf
from operator import add
from typing import Annotated, TypeVar

import numpy as np
import torch
from annotated_types import MinLen
from jaxtyping import Float, Int
from torch import Tensor

from recast.errors import ConfigurationError
from recast.options import NonNegativeFloat

BLOCKS = 5  # of the training windows, in cross-validation
Penalties = Annotated[list[NonNegativeFloat], MinLen(1)]
PENALTIES = [0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0]
STILL = 1e-10  # of the mean square: variance of what is constant but for rounding in float32
T = TypeVar("T")
Map = tuple[Float[Tensor, "inputs outputs"], Float[Tensor, " outputs"]]
"""Weight and constant of a linear map."""


@dataclass(frozen=True, eq=False)
class Moments:
    """Sums over windows of products of inputs x and outputs y, float64.

    Args:
        count: Windows.
        inputs: Of x.
        outputs: Of y.
        gram: Of x x'.
        cross: Of x y'.
    """

    count: int
    inputs: Float[Tensor, " inputs"]
    outputs: Float[Tensor, " outputs"]
    gram: Float[Tensor, "inputs inputs"]
    cross: Float[Tensor, "inputs outputs"]

    @classmethod
    def of(cls, x: Float[Tensor, "windows inputs"], y: Float[Tensor, "windows outputs"]) -> "Moments":
        """Those of a batch."""
        return cls(len(x), x.sum(0), y.sum(0), x.T @ x, x.T @ y)

    def __add__(self, other: "Moments") -> "Moments":
        """Those of both sets of windows."""
        names = self.__dataclass_fields__
        return Moments(**{name: getattr(self, name) + getattr(other, name) for name in names})

    def error(self, weight: Float[Tensor, "inputs outputs"], constant: Float[Tensor, " outputs"]) -> float:
        """The sum over the windows of |y - constant - x weight|^2 - |y|^2: less what is the same for every map."""
        fitted = (weight * (self.gram @ weight)).sum() + 2 * constant @ (self.inputs @ weight)
        crossed = (weight * self.cross).sum() + constant @ self.outputs
        return float(fitted - 2 * crossed + self.count * constant.square().sum())


def ridge(owner: str, moments: Moments, own: int, penalty: float, inputs_penalty: float | None) -> Map:
    """The map with the smallest sum of squared errors plus penalties; they have no unit.

    With s^2 the mean variance of the first `own` inputs x and D the standard deviations of the other ones z, both less
    their means,

        [W; V] minimises |y - x W - z V|^2 + penalty s^2 |W|^2 + inputs_penalty |D V|^2

    An input that never changed has no weight.

    Args:
        owner: Who is solved, for the message.
        moments: Of the windows.
        own: Number of the first inputs.
        penalty: Theirs.
        inputs_penalty: That of the others; None: the same.

    Raises:
        ConfigurationError: if the penalties are too small for inputs that depend on each other.
    """
    mean_in, mean_out = moments.inputs / moments.count, moments.outputs / moments.count
    gram = moments.gram - torch.outer(moments.inputs, mean_in)
    variance = gram.diagonal() / moments.count
    beside = penalty if inputs_penalty is None else inputs_penalty
    added = torch.cat([penalty * variance[:own].mean().expand(own), beside * variance[own:]])
    # The deviation of what never changed is rounding.
    still = variance <= STILL * moments.gram.diagonal() / moments.count
    gram = gram + torch.diag(added.where(~still, 1.0))
    cross = (moments.cross - torch.outer(moments.inputs, mean_out)).where(~still.unsqueeze(1), 0.0)
    if not len(gram):
        return cross, mean_out
    factor, failed = torch.linalg.cholesky_ex(gram)
    # Relative to the inputs' own sizes: a pivot that is rounding means dependent inputs.
    pivots = factor.diagonal().square() / gram.diagonal()
    if failed or pivots.min() <= len(gram) * torch.finfo(gram.dtype).eps:
        raise ConfigurationError(
            f"{owner}: penalty={penalty:g}: the {len(gram)} inputs depend on each other on the training windows (too "
            "few windows, or a constant series), so that the map is not unique; use a larger penalty"
        )
    weight = torch.cholesky_solve(cross, factor).where(~still.unsqueeze(1), 0.0)
    return weight, mean_out - mean_in @ weight


def left_out_errors(parts: Sequence[Moments], fits: Sequence[Callable[[Moments], Map]]) -> list[float]:
    """The error of each way to fit on each part, fitted on the other parts, summed over the parts; see `Moments.error`.

    Infinite for a way that fails with a `ConfigurationError` on some of them.
    """
    errors = [0.0] * len(fits)
    for place, part in enumerate(parts):
        others = reduce(add, [other for number, other in enumerate(parts) if number != place])
        for number, fit in enumerate(fits):
            try:
                errors[number] += part.error(*fit(others))
            except ConfigurationError:
                errors[number] = inf
    return errors


def separate_blocks(
    starts: Int[np.ndarray, " windows"], length: int
) -> tuple[list[Int[np.ndarray, " some"]], Int[np.ndarray, " rest"]]:
    """Runs of windows such that no two runs share a row, and the windows left over between them.

    There are no runs if one of them would be empty.

    Args:
        starts: First row of each window, ascending.
        length: Rows of a window.
    """
    runs = np.array_split(starts, BLOCKS)
    if any(len(run) == 0 for run in runs):
        return [], starts
    ends = [*(run[0] for run in runs[1:]), starts[-1] + length]
    inside = [run + length <= end for run, end in zip(runs, ends, strict=True)]
    if not all(own.any() for own in inside):
        return [], starts
    found = [run[own] for run, own in zip(runs, inside, strict=True)]
    return found, np.concatenate([run[~own] for run, own in zip(runs, inside, strict=True)])


def middle(values: Sequence[T]) -> T:
    """What stands for a choice that no blocks can make."""
    return values[len(values) // 2]

"""Observed values removed at random, so that what is filled in can be compared with them."""

from abc import ABC, abstractmethod
from typing import final

import torch
from jaxtyping import Bool
from torch import Tensor
from torch.nn import functional

from recast.options import Fraction, PositiveInt, checked


class Removal(ABC):
    """Removes values from windows completely at random: whether one goes does not depend on any value.

    A new form subclasses this and implements `draw`.
    """

    @abstractmethod
    def draw(
        self, windows: int, steps: int, columns: int, generator: torch.Generator
    ) -> Bool[Tensor, "windows steps columns"]:
        """Which values are removed.

        Args:
            windows: Number of windows, drawn independently.
            steps: Steps of each.
            columns: Values at each step.
            generator: Source of the draws, on the CPU.
        """


@final
class Points(Removal):
    """Single values, each independently of all others.

    Args:
        share: Probability that a value is removed. [share of values]
    """

    @checked
    def __init__(self, *, share: Fraction = 0.1) -> None:
        self.share = share

    def draw(
        self, windows: int, steps: int, columns: int, generator: torch.Generator
    ) -> Bool[Tensor, "windows steps columns"]:
        """See the base class."""
        return torch.rand((windows, steps, columns), generator=generator) < self.share


@final
class Blocks(Removal):
    """Blocks of consecutive steps in neighbouring columns.

    Each place of a window (those before its first step and column included, as far as a block reaches) is the first of
    a block with probability p, independently of all others. A value stays if none of the `length` * `width` blocks that
    could hold it does:

        1 - share = (1 - p)^(length width)

    Blocks may overlap, so that runs may be longer than `length`.

    Args:
        share: Expected share of the values that are removed. [share of values]
        length: Consecutive steps of a block. [steps]
        width: Neighbouring columns of a block, in the order of `data.source.targets`. [columns]
    """

    @checked
    def __init__(self, *, share: Fraction = 0.5, length: PositiveInt = 6, width: PositiveInt = 6) -> None:
        self.share = share
        self.length = length
        self.width = width

    def draw(
        self, windows: int, steps: int, columns: int, generator: torch.Generator
    ) -> Bool[Tensor, "windows steps columns"]:
        """See the base class."""
        first = 1 - (1 - self.share) ** (1 / (self.length * self.width))
        places = (windows, steps + self.length - 1, columns + self.width - 1)
        begins = (torch.rand(places, generator=generator) < first).float()
        return functional.max_pool2d(begins.unsqueeze(1), (self.length, self.width), stride=1).squeeze(1) > 0

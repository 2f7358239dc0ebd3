"""What an anchor is: the base forecast that a network's output is added to."""

from abc import ABC, abstractmethod
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn


class Anchor(nn.Module, ABC):
    """A base forecast made from the last `reach` values of the targets; the network forecasts what remains.

    A new anchor inherits from this class and writes `forward`.

    Attributes:
        is_last: Whether the base of every lead is the last value.
        is_zero: Whether it is zero.

    Args:
        targets: Number of targets; given by the model.
        leads: Number of leads; given by the model.
        reach: Values of the past that it reads. [steps]
    """

    is_last: ClassVar[bool] = False
    is_zero: ClassVar[bool] = False

    def __init__(self, *, targets: int, leads: int, reach: int) -> None:
        super().__init__()
        self.targets = targets
        self.leads = leads
        self.reach = reach

    @abstractmethod
    def forward(self, recent: Float[Tensor, "*batch reach targets"]) -> Float[Tensor, "*batch leads targets"]:
        """The base forecast of every lead, in scaled values.

        Args:
            recent: The last `reach` values of the targets up to the origin, oldest first.
        """

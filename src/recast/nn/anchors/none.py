"""No anchor."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from recast.nn.anchors.anchor import Anchor
from recast.options import PositiveInt, checked


class NoAnchor(Anchor):
    """Zero, which is the mean of standardised data: the network forecasts the values themselves.

    Args:
        targets: Number of targets; given by the model.
        leads: Number of leads; given by the model.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    is_zero: ClassVar[bool] = True

    @checked
    def __init__(self, *, targets: PositiveInt, leads: PositiveInt) -> None:
        super().__init__(targets=targets, leads=leads, reach=1)

    def forward(self, recent: Float[Tensor, "*batch reach targets"]) -> Float[Tensor, "*batch leads targets"]:
        """Zeros."""
        return recent.new_zeros(*recent.shape[:-2], self.leads, self.targets)

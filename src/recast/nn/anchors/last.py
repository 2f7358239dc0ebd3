"""The last observation as anchor."""

from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from recast.nn.anchors.anchor import Anchor
from recast.options import PositiveInt, checked


class LastAnchor(Anchor):
    """The last observation for every lead: the network forecasts the change from it.

    It then starts from persistence, which is hard to beat at the first leads.

    Args:
        targets: Number of targets; given by the model.
        leads: Number of leads; given by the model.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    is_last: ClassVar[bool] = True

    @checked
    def __init__(self, *, targets: PositiveInt, leads: PositiveInt) -> None:
        super().__init__(targets=targets, leads=leads, reach=1)

    def forward(self, recent: Float[Tensor, "*batch reach targets"]) -> Float[Tensor, "*batch leads targets"]:
        """The last value, repeated."""
        return recent[..., -1:, :].expand(*recent.shape[:-2], self.leads, self.targets)

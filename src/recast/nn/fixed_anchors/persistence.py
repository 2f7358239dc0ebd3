"""The last value, and as much of the network as holds up on windows it was not trained on."""

from collections.abc import Iterable, Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor

from recast.data.spec import SeriesSpec
from recast.nn.fixed_anchors.fixed_anchor import FixedAnchor
from recast.options import PositiveInt, checked
from recast.types import Batch


class PersistenceAnchor(FixedAnchor):
    """The last observation for every lead, with the guard of anchors that are solved.

    For lead h, with y_T the last value, base_h = y_T, as with `recast.nn.anchors.LastAnchor`; there all of the
    network's correction is added, here what holds up on the validation windows.

    Args:
        spec: Names and sizes of the data; given by the model.
        leads: Number of leads; given by the model.

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    @checked
    def __init__(self, *, spec: SeriesSpec, leads: PositiveInt) -> None:
        super().__init__(spec=spec, leads=leads, reach=1)

    def forward(self, recent: Float[Tensor, "*batch reach targets"]) -> Float[Tensor, "*batch leads targets"]:
        """The last value, repeated."""
        return recent[..., -1:, :].expand(*recent.shape[:-2], self.leads, self.targets)

    def solve(self, blocks: Sequence[Iterable[Batch]], rest: Iterable[Batch]) -> None:
        """There is nothing to solve."""

    @property
    def facts(self) -> dict[str, Any]:
        """Nothing was chosen."""
        return {}

"""The last seasons, averaged."""

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import torch
from annotated_types import MinLen
from jaxtyping import Float
from torch import Tensor

from recast.data.spec import SeriesSpec
from recast.nn.fixed_anchors.fixed_anchor import FixedAnchor
from recast.options import PositiveInt, checked
from recast.types import Batch

SEASONS = [24, 168]


class SeasonalAnchor(FixedAnchor):
    """The last values of the same phase, averaged over seasons: the network forecasts the change from them.

    For lead h, with y_T the last value,

        base_h = mean over the lags of y[T + h - k lag], k the smallest integer with h <= k lag

    With one lag it is the seasonal naive forecast (Hyndman & Athanasopoulos, "Forecasting: principles and practice",
    3rd edition, section 5.2); the default is a day and a week of hourly values. Where a value was not observed, the
    last one observed before it stands for it.

    Args:
        spec: Names and sizes of the data; given by the model.
        leads: Number of leads; given by the model.
        lags: Lengths of the seasons, at most the context. [steps]

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range.
    """

    places: Tensor

    @checked
    def __init__(
        self, *, spec: SeriesSpec, leads: PositiveInt, lags: Annotated[list[PositiveInt], MinLen(1)] = SEASONS
    ) -> None:
        reach = max(lags)
        super().__init__(spec=spec, leads=leads, reach=reach)
        lead = torch.arange(leads)
        self.register_buffer("places", torch.stack([reach - lag + lead % lag for lag in lags]), persistent=False)

    def forward(self, recent: Float[Tensor, "*batch reach targets"]) -> Float[Tensor, "*batch leads targets"]:
        """The mean over the lags."""
        return recent[..., self.places, :].mean(dim=-3)

    def solve(self, blocks: Sequence[Iterable[Batch]], rest: Iterable[Batch]) -> None:
        """There is nothing to solve."""

    @property
    def facts(self) -> dict[str, Any]:
        """Nothing was chosen."""
        return {}

"""The time since the origin of each window."""

from collections.abc import Sequence
from typing import final

import numpy as np

from recast.data.features.computed_feature import Computed, ComputedFeature
from recast.data.panel import Panel
from recast.data.sources.step import duration
from recast.options import checked


@final
class SinceOrigin(ComputedFeature):
    """How long after the last step of the context a step lies, known ahead: (s_t - s_o) / unit of the stamps s.

    It is negative in the context, 0 at the origin o, and positive over the horizon. It is that of the true stamps:
    where these are irregular (data/grid=rows), it tells a model what the number of a step does not. Forecasts from
    several steps of a window (data/regime=multi_origin, model.origins of model=per_step, model=recursive with an anchor
    that reads inputs) share no origin, nor do the chunks that states are carried across (data/regime=stateful): these
    are refused. Baselines do not read it: they have the stamps.

    Args:
        unit: Length of time that it is counted in ("1D", "10min"); about that of the horizon keeps the numbers small.

    Raises:
        ConfigurationError: if the unit is no length of time.
    """

    @checked
    def __init__(self, *, unit: str = "1D") -> None:
        self.unit = unit
        self._length = duration(unit, "SinceOrigin: unit")

    def columns(self, panel: Panel) -> list[Computed]:
        """See the base class."""
        return [Computed("time", unit=self.unit, from_origin=True)]

    def at(
        self, times: np.ndarray, items: np.ndarray, panel: Panel, *, horizon: int, numbers: Sequence[float] = ()
    ) -> np.ndarray:
        """The stamps themselves, from 1970 on; see the base class."""
        return (times.astype("datetime64[ns]").astype(np.int64) / (self._length / np.timedelta64(1, "ns")))[:, None]

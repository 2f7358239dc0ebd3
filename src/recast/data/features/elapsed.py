"""How long ago each target was last observed."""

from collections.abc import Sequence
from typing import final

import numpy as np

from recast.data.features.computed_feature import Computed, ComputedFeature
from recast.data.panel import Panel
from recast.data.sources.step import DAY, fixed_step
from recast.options import checked


@final
class Elapsed(ComputedFeature):
    """The time since each target was last observed before a step, as an input up to the origin.

    With s_t the stamp of step t and m_t whether the target was observed there,

        d_t = s_t - s_(t-1)                 if m_(t-1)
        d_t = s_t - s_(t-1) + d_(t-1)       otherwise

    (Che et al. 2018, "Recurrent neural networks for multivariate time series with missing values", Scientific Reports
    8, equation 1; arXiv 1606.01865). The input is log(d_t / step), for a calendar step log(d_t / 1 day): 0 in a regular
    series without gaps, larger behind a gap (data/grid=mask), of any size where rows are taken as they come
    (data/grid=rows). It is not known before a series' first observation.
    """

    @checked
    def __init__(self) -> None:
        pass

    def columns(self, panel: Panel) -> list[Computed]:
        """See the base class."""
        names = [panel.columns[place].name for place in panel.of("target")]
        return [Computed(f"since {name}", role="past") for name in names]

    def at(
        self, times: np.ndarray, items: np.ndarray, panel: Panel, *, horizon: int, numbers: Sequence[float] = ()
    ) -> np.ndarray:
        """See the base class."""
        step = fixed_step(panel.step)
        item = np.repeat(panel.items, panel.lengths)
        observed = ~np.isnan(panel.targets)
        found = np.full((len(times), observed.shape[1]), np.nan)
        for place, seen in enumerate(observed.T):
            of, clock = item[seen], panel.clock[seen]
            for one in np.unique(items).tolist():
                own, known = np.flatnonzero(items == one), clock[of == one]
                before = np.searchsorted(known, times[own], side="left") - 1
                there = before >= 0
                elapsed = times[own][there] - known[before[there]]
                found[own[there], place] = np.log(elapsed / (DAY if step is None else step))
        return found

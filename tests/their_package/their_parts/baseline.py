"""The median of the training part."""

import numpy as np

from recast.options import checked
from recast.scoring.baselines.baseline import Baseline, History
from recast.types import Origins


class Median(Baseline):
    """Forecasts the median of each target on the training rows."""

    @checked
    def __init__(self) -> None:
        self.middle = np.empty(0)

    def _fit(self, history: History) -> None:
        self.middle = np.median(history.values, axis=0)

    def _forecast(self, origins: Origins) -> np.ndarray:
        return np.broadcast_to(self.middle, (*origins.future_hours.shape, len(self.middle))).copy()

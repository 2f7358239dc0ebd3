"""A panel of sums of two sine waves."""

from typing import final

import numpy as np

from recast.data.panel import Panel, columns_of
from recast.data.sources.frame import FrameSource
from recast.data.sources.source import Source
from recast.data.sources.table import Table
from recast.options import NonNegativeFloat, NonNegativeInt, PositiveInt, checked

STEP = "s"


@final
class TwoSines(Source):
    """Many short series, each the sum of two sine waves of its own frequencies and offsets, plus uniform noise.

    x(t) = 0.5 sin((t - o1) (10 f1 + 10)) + 0.2 sin((t - o2) (20 f2 + 20)) + noise (u - 0.5), with f1, f2, o1, o2
    drawn from U(0, 1) for each series and u for each step, and t = linspace(0, 1, length): the generator of A. Geron,
    "Hands-On Machine Learning", 2nd edition, chapter 15. The mean squared error of the best possible forecast is the
    variance of the noise, noise^2 / 12.

    Each series is a separate piece, and all have the same stamps: every second from 2000-01-01. The channel is named
    "value" and has no unit.

    Args:
        series: Number of series.
        length: Length of each. [steps]
        noise: Width of the uniform noise.
        seed: Of the random numbers; equal seeds give equal panels.
    """

    @checked
    def __init__(
        self,
        *,
        series: PositiveInt = 10_000,
        length: PositiveInt = 60,
        noise: NonNegativeFloat = 0.1,
        seed: NonNegativeInt = 0,
    ) -> None:
        self.series = series
        self.length = length
        self.noise = noise
        self.seed = seed

    @property
    def noise_floor(self) -> float:
        """Variance of the noise, noise^2 / 12: no forecast has a smaller mean squared error."""
        return self.noise**2 / 12

    def read(self) -> Panel:
        """The panel: a piece for each series."""
        rng = np.random.default_rng(self.seed)
        frequency1, frequency2, offset1, offset2 = rng.random((4, self.series, 1))
        t = np.linspace(0, 1, self.length)
        panel = 0.5 * np.sin((t - offset1) * (10 * frequency1 + 10))
        panel += 0.2 * np.sin((t - offset2) * (20 * frequency2 + 20))
        panel += self.noise * (rng.random(panel.shape) - 0.5)
        stamps = np.datetime64("2000-01-01", "ns") + np.arange(self.length) * np.timedelta64(1, "s")
        return Panel(
            times=np.tile(stamps.astype("datetime64[ns]"), self.series),
            values=panel.reshape(-1, 1),
            columns=columns_of(targets=["value"]),
            step=STEP,
            starts=np.arange(self.series, dtype=np.int64) * self.length,
            items=np.arange(self.series, dtype=np.int64),
            label=f"TwoSines(series={self.series}, length={self.length}, seed={self.seed})",
        )

    def for_table(self, table: Table) -> Source:
        """The source that reads the columns "datetime" and "value" from a table."""
        return FrameSource(time="datetime", targets=["value"], step=STEP).for_table(table)

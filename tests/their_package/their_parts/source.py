"""A pendulum."""

import numpy as np

from recast.data.panel import Panel, columns_of
from recast.data.sources.frame import FrameSource
from recast.data.sources.source import Source
from recast.data.sources.table import Table
from recast.options import PositiveFloat, PositiveInt, checked


class Pendulum(Source):
    """A damped oscillation with noise, hourly.

    Args:
        rows: Length. [steps]
        period: Of the oscillation. [steps]
    """

    @checked
    def __init__(self, *, rows: PositiveInt = 400, period: PositiveFloat = 25.0) -> None:
        self.rows = rows
        self.period = period

    def read(self) -> Panel:
        """The angle."""
        steps = np.arange(self.rows)
        noise = 0.05 * np.random.default_rng(0).normal(size=self.rows)
        angle = np.exp(-steps / (4 * self.rows)) * np.cos(2 * np.pi * steps / self.period) + noise
        return Panel(
            columns=columns_of(targets=["angle"], units={"angle": "rad"}),
            values=angle[:, None],
            starts=np.zeros(1, dtype=np.int64),
            label="pendulum",
            times=np.datetime64("2024-01-01", "ns") + steps * np.timedelta64(1, "h"),
            step="h",
        )

    def for_table(self, table: Table) -> Source:
        """The columns "datetime" and "angle"."""
        return FrameSource(time="datetime", targets=["angle"], units={"angle": "rad"}, step="h").for_table(table)

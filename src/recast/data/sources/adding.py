"""The adding problem: two numbers to remember over a long time."""

from typing import Annotated, final

import numpy as np
from annotated_types import Ge

from recast.data.panel import Panel, columns_of
from recast.data.sources.frame import FrameSource
from recast.data.sources.source import Source
from recast.data.sources.table import Table
from recast.options import NonNegativeInt, PositiveInt, checked

STEP = "s"
TARGET, PAST = "sum", ("value", "marker")


@final
class Adding(Source):
    """Many short series; in each the sum of two marked numbers is asked for at the end.

    Each of `length` steps has a number, uniform in [0, 1], and a marker, which is 1 at two steps and otherwise 0: one
    drawn from the first half of the steps, one from the second (longer by one if `length` is odd). One row follows,
    whose "sum" is that of the two marked numbers; there value and marker are 0, as is "sum" in the rows before. A
    window of `length` steps of context and a horizon of 1 is one series.

    This is the adding problem of Hochreiter & Schmidhuber 1997, "Long short-term memory", section 5.4, in the form of
    Le, Jaitly & Hinton 2015, arXiv 1504.00941, section 4.1. The number to be remembered longest lies between
    `length` / 2 and `length` steps back. Always answering 1, the mean, gives a mean squared error of 1/6 = .167.

    Each series is a separate piece, and all have the same stamps: every second from 2000-01-01. There are no units.

    Args:
        series: Number of series.
        length: Length of each, excluding the row of the answer. [steps]
        seed: Of the random numbers; equal seeds give equal panels.
    """

    @checked
    def __init__(
        self, *, series: PositiveInt = 10_000, length: Annotated[int, Ge(2)] = 100, seed: NonNegativeInt = 0
    ) -> None:
        self.series = series
        self.length = length
        self.seed = seed

    def read(self) -> Panel:
        """The panel: a piece of `length` + 1 rows for each series; the target is "sum"."""
        rng = np.random.default_rng(self.seed)
        rows, half, each = self.length + 1, self.length // 2, np.arange(self.series)
        panel = np.zeros((self.series, rows, 3))
        total, value, marker = np.moveaxis(panel, 2, 0)
        value[:, :-1] = rng.random((self.series, self.length))
        for first, stop in ((0, half), (half, self.length)):
            place = rng.integers(first, stop, size=self.series)
            marker[each, place] = 1
            total[:, -1] += value[each, place]
        stamps = np.datetime64("2000-01-01", "ns") + np.arange(rows) * np.timedelta64(1, "s")
        return Panel(
            times=np.tile(stamps.astype("datetime64[ns]"), self.series),
            values=panel.reshape(-1, 3),
            columns=columns_of(targets=[TARGET], past=PAST),
            step=STEP,
            starts=each.astype(np.int64) * rows,
            items=each.astype(np.int64),
            label=f"Adding(series={self.series}, length={self.length}, seed={self.seed})",
        )

    def for_table(self, table: Table) -> Source:
        """The source that reads the columns "datetime", "sum", "value" and "marker" from a table."""
        return FrameSource(time="datetime", targets=[TARGET], past=list(PAST), step=STEP).for_table(table)

"""The windows of a series, each given by its first row."""

import numpy as np
from jaxtyping import Int

from recast.data.panel import Panel, runs
from recast.data.prepare.ranges import Ranges, in_pieces
from recast.options import PositiveInt, checked


class Windows:
    """Windows of `context` observed steps followed by `horizon` steps to forecast, inside one piece and one part.

    Args:
        context: Observed steps that a forecast is made from. [steps]
        horizon: Steps to forecast. [steps]
        stride: Distance between the starts of neighbouring training windows. [steps]
        evaluation_stride: The same for validation and test windows. [steps]
        reach_back: Whether the context of validation and test windows may extend into the preceding rows; their targets
            never do. Otherwise context and target both lie inside the part.
        exclude_last: Leave out the last window of each contiguous range, as loops over range(rows - length) do. For
            reproducing publications with such loops.
    """

    @checked
    def __init__(
        self,
        *,
        context: PositiveInt,
        horizon: PositiveInt,
        stride: PositiveInt = 1,
        evaluation_stride: PositiveInt = 1,
        reach_back: bool = False,
        exclude_last: bool = False,
    ) -> None:
        self.context = context
        self.horizon = horizon
        self.stride = stride
        self.evaluation_stride = evaluation_stride
        self.reach_back = reach_back
        self.exclude_last = exclude_last

    @property
    def length(self) -> int:
        """Rows of one window."""
        return self.context + self.horizon

    def starts(
        self,
        panel: Panel,
        part: Ranges,
        *,
        training: bool,
        context: int | None = None,
        reach_back: bool = False,
    ) -> Int[np.ndarray, " windows"]:
        """First rows of all windows of a part, int64, ascending.

        No window crosses pieces; where values may be missing, each has at least one observed target in its context and
        in its horizon.

        Args:
            panel: The panel on its grid.
            part: The rows of the part.
            training: Whether `stride` applies, or `evaluation_stride`.
            context: Number of context steps that overrides the option. [steps]
            reach_back: Whether contexts may extend into the preceding rows even where the option says otherwise.
        """
        context = context or self.context
        length = context + self.horizon
        stride = self.stride if training else self.evaluation_stride
        own, piece = in_pieces(panel, part)
        back = 0 if training or not (self.reach_back or reach_back) else context
        first = np.maximum(piece[:, 0], own[:, 0] - back)
        last = own[:, 1] - length + (0 if self.exclude_last else 1)
        starts = runs(first, np.maximum(-((first - last) // stride), 0), stride)
        missing = np.isnan(panel.targets)
        if not missing.any():
            return starts
        seen = np.concatenate([[0], np.cumsum(~missing.all(axis=1))])
        origin = starts + context
        return starts[(seen[origin] > seen[starts]) & (seen[starts + length] > seen[origin])]

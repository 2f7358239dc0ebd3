"""Which windows a series has: a window is a start row."""

import numpy as np

from recast.options import PositiveInt, checked


class Windows:
    """Windows of `context` observed steps followed by `horizon` steps to forecast, inside one piece and one part.

    Args:
        context: Observed steps that a forecast is made from. [steps]
        horizon: Steps to forecast. [steps]
        stride: Distance between the starts of neighbouring training windows. [steps]
        evaluation_stride: The same for validation and test windows. [steps]
        reach_back: Whether the context of validation and test windows may lie in the part before; their targets never
            do. Without it, context and target both lie inside the part.
        exclude_last: Leave out the last window of each contiguous range, as loops over range(rows - length) do.
            For counting the very windows of such a publication.
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

    def starts(self, pieces: list[tuple[int, int]], part: tuple[int, int], *, training: bool) -> np.ndarray:
        """First rows of all windows of a part, int64, ascending.

        Args:
            pieces: Row ranges [first, stop) of contiguous pieces; no window crosses from one into the next.
            part: Row range [first, stop) of the part.
            training: Whether `stride` applies, or `evaluation_stride`.
        """
        stride = self.stride if training else self.evaluation_stride
        earliest = part[0] - self.context if self.reach_back else part[0]
        ranges = [
            np.arange(
                max(first, earliest),
                min(stop, part[1]) - self.length + (0 if self.exclude_last else 1),
                stride,
                dtype=np.int64,
            )
            for first, stop in pieces
            if stop > earliest and first < part[1]
        ]
        return np.concatenate(ranges) if ranges else np.empty(0, dtype=np.int64)

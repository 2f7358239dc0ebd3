"""Policies for panels whose rows are not regular in time."""

import logging
from abc import ABC, abstractmethod
from bisect import bisect_left
from itertools import pairwise
from typing import ClassVar, final

import numpy as np

from recast.data.panel import Panel
from recast.data.prepare.irregular import first_offence, lacking, remedies, share_allowed, tell_ends
from recast.data.prepare.on_grid import put_on_grid
from recast.data.sources.lattice import find_lattice, is_regular
from recast.data.sources.step import wall_clock
from recast.data.spec import ImputerSpec
from recast.errors import DataError
from recast.options import PositiveInt, Probability, checked

log = logging.getLogger(__name__)


WORTH_A_WARNING = 0.1
"""Share of rows whose loss is worth a warning."""


class Grid(ABC):
    """Makes each piece of a panel regular: every row one step after the previous one.

    The grid of a piece has the panel's step and the phase of most of its rows ("10min": :03, :13, ... is as good as
    :00, :10, ...). Everything dropped or filled is counted in the log. Rows with unobserved values are dropped first,
    unless the policy keeps them.

    A new policy subclasses this and implements `regular`.

    Attributes:
        masks: Whether values that were not observed are kept as such, for models that read masks.
        hold: Whether networks read the last observation in their place.
        imputer: The imputation model whose values networks read in place of targets; None: none.
        most: Largest share of rows that may be dropped, and of rows that may be filled; more is an error, for most of
            the data would be lost or made up.
    """

    masks: ClassVar[bool] = False
    hold: bool = False
    imputer: ImputerSpec | None = None
    most: float = 0.5

    def apply(self, panel: Panel) -> Panel:
        """The panel on its grid.

        Args:
            panel: Its pieces are processed one by one.

        Raises:
            DataError: if the panel does not suit this policy.
            ConfigurationError: if the panel's step is unknown.
        """
        return self.regular(self._observed(panel))

    def apply_to_end(self, panel: Panel, steps: int) -> Panel:
        """The panel on its grid, for a reader of its last steps alone; what lies before them may be left out.

        Args:
            panel: One or many series.
            steps: Steps at the end of each that are read. [steps]

        Raises:
            DataError: if these do not suit this policy.
            ConfigurationError: if the panel's step is unknown.
        """
        return self.apply(panel)

    def _observed(self, panel: Panel) -> Panel:
        """The panel without rows with unobserved values, unless the policy keeps them."""
        dropped = np.asarray(np.isnan(panel.values).any(axis=1))
        if self.masks or not dropped.any():
            return panel
        level = logging.WARNING if dropped.sum() > WORTH_A_WARNING * len(panel) else logging.INFO
        log.log(
            level,
            "%s: %d of %d rows dropped: a value was not observed (%s)",
            *(panel.label, dropped.sum(), len(panel), lacking(panel)),
        )
        tell_ends(panel)
        if dropped.all():
            raise DataError(
                f"{panel.label}: no row has all of its values observed; use fewer columns, or data/grid=mask"
            )
        if dropped.sum() > self.most * len(panel):
            raise DataError(
                f"{panel.label}: {dropped.sum()} of {len(panel)} rows lack a value ({lacking(panel)}) and would be "
                "dropped whole; use fewer columns, keep the gaps (data/grid=mask), or accept the loss: "
                f"data.grid.most={share_allowed(int(dropped.sum()), len(panel))}"
            )
        return panel.without(dropped)

    @abstractmethod
    def regular(self, panel: Panel) -> Panel:
        """The panel on its grid, all of its values observed unless the policy keeps others; see `apply`."""


@final
class ErrorGrid(Grid):
    """Accepts regular series only: a missing stamp or a row off the grid is an error.

    Args:
        most: Largest share of rows that may be dropped because a value was not observed; more is an error. [share of
            rows]
    """

    @checked
    def __init__(self, *, most: Probability = 0.5) -> None:
        self.most = most

    def apply_to_end(self, panel: Panel, steps: int) -> Panel:
        """The regular rows at the end, if they are enough; irregularities before them do not matter.

        Raises:
            DataError: if the last `steps` rows are not regular.
        """
        panel = self._observed(panel)
        times, first = wall_clock(panel), np.zeros(1, dtype=np.int64)
        bounds = panel.bounds[np.append(np.flatnonzero(np.diff(panel.items, prepend=-1)), len(panel.items))]
        if is_regular(times, bounds[:-1], panel.step):
            return self.regular(panel)
        dropped = np.zeros(len(panel), dtype=bool)
        for start, stop in pairwise(bounds.tolist()):
            rows = range(start, max(stop - steps, start) + 1)
            # Regular from some row on is regular from each later one.
            own = times[:stop]
            begin = bisect_left(rows, True, key=lambda row, own=own: is_regular(own[row:], first, panel.step))
            dropped[start : start + (begin if begin < len(rows) else 0)] = True
        return self.regular(panel.without(dropped))

    def regular(self, panel: Panel) -> Panel:
        """The panel unchanged.

        Raises:
            DataError: if it is not regular; names the first offending stamp and their number.
        """
        times = wall_clock(panel)
        if is_regular(times, panel.starts, panel.step):
            return panel
        missing, off, first = 0, 0, None
        for start, stop in panel.pieces:
            lattice = find_lattice(times[start:stop], panel.step)
            missing += lattice.missing
            off += lattice.off
            first = first or first_offence(times[start:stop], lattice)
        if first is None:
            return panel
        raise DataError(
            f"{panel.label}: not regular: {missing} stamps of the {panel.step} grid are missing and {off} rows lie "
            f"off it; the first offence is {first}; expected a row at each step. {remedies(panel, missing, off)}"
        )


@final
class SplitGrid(Grid):
    """Drops rows off the grid, then cuts the series into pieces where stamps are missing: only observations remain.

    Args:
        most: Largest share of rows that may be dropped; more is an error. [share of rows]
    """

    @checked
    def __init__(self, *, most: Probability = 0.5) -> None:
        self.most = most

    def regular(self, panel: Panel) -> Panel:
        """The rows on the grid, in pieces without a gap.

        Raises:
            DataError: if no row lies on the grid.
        """
        return put_on_grid(panel, self.most, longest=0)


@final
class InterpolateGrid(Grid):
    """Fills short gaps by linear interpolation in time, channel by channel, and cuts at long ones.

    A run of missing stamps is filled if it is not longer than `max_steps`. Rows off the grid also serve as
    interpolation points, and are then dropped. Rows on the grid are unchanged.

    Args:
        max_steps: Longest run of missing stamps that is filled. [steps]
        most: Largest share of rows that may be dropped, and of rows that may be filled; more is an error. [share of
            rows]
    """

    @checked
    def __init__(self, *, max_steps: PositiveInt, most: Probability = 0.5) -> None:
        self.max_steps = max_steps
        self.most = most

    def regular(self, panel: Panel) -> Panel:
        """The rows on the grid and those filled in between, in pieces without a gap.

        Raises:
            DataError: if no row lies on the grid.
        """
        return put_on_grid(panel, self.most, longest=self.max_steps)


@final
class MaskGrid(Grid):
    """Keeps missing stamps as rows without observations, for models that read masks; cuts at long gaps.

    Rows off the grid are dropped. In partly observed rows only the unobserved values are missing.

    Args:
        max_steps: Longest run of missing stamps that is kept; none: any. [steps]
        hold: Whether networks read the last observation of the context where a target or past value was not observed,
            and 0, the mean of standardised data, before the first; otherwise 0 everywhere. The mask stands beside it. A
            trained model reads other data as those of its training.
        most: Largest share of rows that may be dropped; more is an error. [share of rows]
    """

    masks: ClassVar[bool] = True

    @checked
    def __init__(self, *, max_steps: PositiveInt | None = None, hold: bool = False, most: Probability = 0.5) -> None:
        self.max_steps = max_steps
        self.hold = hold
        self.most = most

    def regular(self, panel: Panel) -> Panel:
        """The rows on the grid and empty ones in between, in pieces without a longer gap.

        Raises:
            DataError: if no row lies on the grid.
        """
        return _with_gaps(panel, self.most, self.max_steps)


@final
class ImputeGrid(Grid):
    """Keeps what is missing as `MaskGrid`; networks read, in its place, what a trained imputation model makes of it.

    Each context is filled by itself, from its own observations, past inputs and inputs known ahead, when a forecast is
    made: what follows the origin reaches nothing. The mask stands beside the values. The imputation model stays as it
    is, and is part of the checkpoint of the forecasting model. Targets alone are filled; truths, scores, anchors and
    baselines read observations alone.

    Args:
        checkpoint: Checkpoint of a run of task=imputation, or the folder of that run. [file]
        max_steps: Longest run of missing stamps that is kept; none: any. [steps]
        hold: Whether networks read the last observation of the context where a past value was not observed, and 0, the
            mean of standardised data, before the first; otherwise 0 everywhere.
        most: Largest share of rows that may be dropped; more is an error. [share of rows]

    Attributes:
        imputer: What the model is built from; None until the program has read the checkpoint.
    """

    masks: ClassVar[bool] = True

    @checked
    def __init__(
        self,
        *,
        checkpoint: str,
        max_steps: PositiveInt | None = None,
        hold: bool = False,
        most: Probability = 0.5,
    ) -> None:
        self.checkpoint = checkpoint
        self.max_steps = max_steps
        self.hold = hold
        self.most = most

    def regular(self, panel: Panel) -> Panel:
        """The rows on the grid and empty ones in between, in pieces without a longer gap.

        Raises:
            DataError: if no row lies on the grid.
        """
        return _with_gaps(panel, self.most, self.max_steps)


def _with_gaps(panel: Panel, most: float, max_steps: int | None) -> Panel:
    """The rows on the grid and empty ones in between, in pieces without a gap of more than `max_steps`."""
    return put_on_grid(panel, most, longest=max_steps or np.iinfo(np.int64).max, fill=False)


@final
class RowsGrid(Grid):
    """Ignores time: rows are treated as consecutive steps, whatever their stamps.

    This is what reading a file into an array does. Windows may then straddle gaps; use it to compare with results
    obtained that way.

    Args:
        most: Largest share of rows that may be dropped; more is an error. [share of rows]
    """

    @checked
    def __init__(self, *, most: Probability = 0.5) -> None:
        self.most = most

    def regular(self, panel: Panel) -> Panel:
        """The panel unchanged."""
        return panel

"""Validation in blocks that are spread over the rows before the test."""

import math
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from annotated_types import Gt, Lt
from jaxtyping import Bool, Int

from recast.data.panel import Panel
from recast.data.prepare.ranges import Ranges
from recast.data.prepare.split import Parts, Split, date_of, rows_before
from recast.errors import DataError
from recast.options import Fraction, PositiveInt, checked


@dataclass(frozen=True)
class Layout:
    """Where blocks lie among a number of rows: each is the end of an equal share of them.

    Args:
        validation: Share of the rows in all blocks together.
        blocks: Number of blocks.
        context: Rows of a window before its first target. [steps]
        horizon: Its targets. [steps]
    """

    validation: float
    blocks: int
    context: int
    horizon: int

    @property
    def window(self) -> int:
        """Rows of a window, which are left out on each side of a block."""
        return self.context + self.horizon

    def length(self, rows: Int[np.ndarray, " items"]) -> Int[np.ndarray, " items"]:
        """Rows of a block."""
        return np.round(rows * self.validation / self.blocks).astype(np.int64)

    def first(self, rows: Int[np.ndarray, " items"]) -> Int[np.ndarray, "items blocks"]:
        """The first row of each block."""
        return np.arange(1, self.blocks + 1) * rows[:, np.newaxis] // self.blocks - self.length(rows)[:, np.newaxis]

    def fits(self, rows: Int[np.ndarray, " items"]) -> Bool[np.ndarray, " items"]:
        """Whether each block holds the targets of a window, and a training window lies before the first."""
        # Between that window and the block one is left out.
        return (self.length(rows) >= self.horizon) & (self.first(rows)[:, 0] >= 2 * self.window)


class BlocksSplit(Split):
    """Parts by rows of each item: the last are for the test, blocks spread evenly over those before it for validation.

    The last stretch of a short record may be like no other, a season or a storm; blocks see several. Each is the end of
    an equal share of the rows. As many rows as a window has, context and horizon, are left out on each side, so that no
    training window shares a row with a validation window or borders on its targets (hv-block cross-validation: Racine
    2000, J. Econometrics 99:39-61). The contexts of validation windows lie in the rows left out before their block, so
    that every row of a block is a target. With one block it is the last part in time.

    Training has no use of the rows left out, two windows for each block, one for the last: blocks are for windows that
    are short against the record. An item of a panel that is too short for its blocks is for training up to the test.

    Args:
        test: Fraction of the rows of each item for the test, number of its rows, or the date at which the test begins,
            in ISO 8601. [share of rows, steps, or date]
        validation: Fraction of the rows of each item before the test that all blocks together have. [share of rows]
        blocks: Blocks of each item.
        end: Rows from this date on are left out; none: the series is used to its end. [date]

    Raises:
        ConfigurationError: if an option has the wrong type or lies out of range, or is no date.
    """

    reaches_back = frozenset({"validation"})

    @checked
    def __init__(
        self,
        *,
        test: Fraction | PositiveInt | str = 0.2,
        validation: Annotated[float, Gt(0), Lt(1)] = 0.1,
        blocks: PositiveInt = 2,
        end: str | None = None,
    ) -> None:
        self.test = date_of(self, "test", test) if isinstance(test, str) else test
        self.validation = validation
        self.blocks = blocks
        self.end = None if end is None else date_of(self, "end", end)

    def parts(self, panel: Panel, *, context: int = 1, horizon: int = 1) -> Parts:
        """See the class."""
        rows, stop = self._ends(panel)
        layout = Layout(self.validation, self.blocks, context, horizon)
        fits = layout.fits(rows)
        if not fits.any():
            raise DataError(f"{panel.label}: {_too_short(layout, int(rows.max(initial=0)))}")

        def of_items(places: Int[np.ndarray, "items blocks"]) -> Int[np.ndarray, "items blocks"]:
            """The end of the rows in place of a block that does not fit."""
            return np.where(fits[:, np.newaxis], places, rows[:, np.newaxis])

        first = layout.first(rows)
        last = first + layout.length(rows)[:, np.newaxis]
        # What lies before each block, from the beginning or the block before it, less the rows left out.
        after = np.hstack([np.zeros_like(first[:, :1]), of_items(last + layout.window)[:, :-1]])
        before = of_items(first - layout.window)
        bounds = panel.item_bounds[:-1]
        return Parts(
            train=_ranges(bounds, after, before),
            validation=_ranges(bounds, of_items(first), of_items(last)),
            test=_ranges(bounds, rows[:, np.newaxis], stop[:, np.newaxis]),
        )

    def _ends(self, panel: Panel) -> tuple[Int[np.ndarray, " items"], Int[np.ndarray, " items"]]:
        """Rows of each item before the test, and to the end.

        Raises:
            DataError: if the end lies before the test.
        """
        stop = np.diff(panel.item_bounds) if self.end is None else rows_before(panel, self.end)
        if isinstance(self.test, np.datetime64):
            rows = rows_before(panel, self.test)
        elif self.test < 1:
            rows = np.round(stop * (1 - self.test)).astype(np.int64)
        else:
            rows = np.maximum(stop - int(self.test), 0)
        if (rows > stop).any():
            raise DataError(
                f"{panel.label}: the parts are out of order: the test begins after the end; give a date "
                "data.split.test before data.split.end"
            )
        return rows, stop


def _too_short(layout: Layout, rows: int) -> str:
    """Why no item has room, and what would make some, where anything does."""
    of_longest = np.array([rows])
    share = math.ceil(100 * layout.blocks * layout.horizon / max(rows, 1)) / 100
    others = {
        f"data.split.blocks={number}": replace(layout, blocks=number) for number in range(layout.blocks - 1, 0, -1)
    }
    if layout.validation < share < 1:
        others |= {f"data.split.validation={share:g}": replace(layout, validation=share)}
    found = next((options for options, other in others.items() if other.fits(of_longest).all()), None)
    remedy = (
        "take the last rows before the test (data/split=time, fraction or last)" if found is None else f"give {found}"
    )
    length, window = layout.length(of_longest)[0], layout.window
    return (
        f"{rows} rows before the test are too few for {layout.blocks} validation block(s): of {length} rows each (at "
        f"least the horizon, {layout.horizon}), a window of {window} rows left out on each side (context "
        f"{layout.context} + horizon {layout.horizon}), and a window to train on before the first; shorten the windows "
        f"(data.windows), or {remedy}"
    )


def _ranges(
    bounds: Int[np.ndarray, " items"], begins: Int[np.ndarray, "items ranges"], ends: Int[np.ndarray, "items ranges"]
) -> Ranges:
    """Row ranges from rows of each item; those that would end before they begin are empty."""
    both = np.stack([begins, np.maximum(begins, ends)], axis=-1) + bounds[:, np.newaxis, np.newaxis]
    return both.reshape(-1, 2)

"""The data contract: columns with a role and a kind, and a panel of one or many items over time."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from recast.data.zone import Zone

Role = Literal["target", "past", "known", "static"]
ORDER: tuple[Role, ...] = ("target", "past", "known")
"""Order of the columns over time."""


@dataclass(frozen=True)
class Column:
    """A column of a panel: its name, its role, and the kind of its values.

    Args:
        name: Its name.
        unit: Unit of a real column; "" if there is none.
        role: "target": to be forecast or predicted; "past": observed up to the forecast origin; "known": known ahead,
            such as a calendar, a plan, or a forecast by others; "static": one value for each item.
        levels: Names of the levels of a category, whose values are indices into them; None: real numbers.
        from_origin: Whether a window has its values less that at the origin, as of a time, in place of the values; for
            a real column known ahead.
    """

    name: str
    unit: str = ""
    role: Role = "target"
    levels: tuple[str, ...] | None = None
    from_origin: bool = False

    @property
    def is_category(self) -> bool:
        """Whether its values are levels, not numbers."""
        return self.levels is not None

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, suitable for a checkpoint and for JSON."""
        levels = None if self.levels is None else list(self.levels)
        found = {"name": self.name, "unit": self.unit, "role": self.role, "levels": levels}
        return found | {"from_origin": True} if self.from_origin else found


def columns_of(
    *,
    targets: Iterable[str] = (),
    past: Iterable[str] = (),
    known: Iterable[str] = (),
    units: dict[str, str] | None = None,
    levels: dict[str, tuple[str, ...]] | None = None,
) -> tuple[Column, ...]:
    """Columns over time in their order, by the names of each role.

    Args:
        targets: Names of the targets.
        past: Names of the inputs observed up to the origin.
        known: Names of the inputs known ahead.
        units: Unit of each column, by name; "" by default.
        levels: Levels of each category, by name; the others are real.
    """
    units, levels = units or {}, levels or {}
    return tuple(
        Column(name, units.get(name, ""), role, levels.get(name))
        for role, names in zip(ORDER, (targets, past, known), strict=True)
        for name in names
    )


@dataclass(frozen=True, eq=False)
class Panel:
    """Observations of one or many items over time; a single series is a panel of one item.

    Rows are stored item by item, divided into pieces: runs of consecutive rows of one item without a gap. A panel
    without a clock (labelled sequences) has no times and no step.

    Args:
        columns: The columns over time: targets, then past, then known ones.
        values: Their observations in the data's own unit, float64, shape (rows, columns); for a category the index of
            its level; NaN where nothing was observed.
        starts: First row of each piece, int64, ascending, the first is 0.
        label: What it was read from, for messages.
        times: Time stamps, `datetime64[ns]`, UTC or without zone, shape (rows,); ascending within a piece. None: no
            clock.
        step: Distance between rows as a pandas offset alias ("10min", "B", "h"); "" without a clock.
        timezone: "UTC" if the stamps had a zone or offset, otherwise None.
        items: Item of each piece as an index into `ids`, int64, ascending; none: all pieces are of one item.
        ids: Name of each item; none: their numbers from 1.
        static: Columns with one value for each item; with the role "target", what is to be predicted for an item.
        static_values: Their values, like `values`, shape (items, static columns); none: there are none.
        zone: Whose days and months the step counts, where it is a day or longer; None: those of the stamps.
    """

    columns: tuple[Column, ...]
    values: np.ndarray
    starts: np.ndarray
    label: str
    times: np.ndarray | None = None
    step: str = ""
    timezone: str | None = None
    items: np.ndarray = None  # pyright: ignore[reportAssignmentType] filled in below
    ids: tuple[str, ...] = ()
    static: tuple[Column, ...] = ()
    static_values: np.ndarray = None  # pyright: ignore[reportAssignmentType] filled in below
    zone: Zone | None = None

    def __post_init__(self) -> None:
        items = np.zeros(len(self.starts), dtype=np.int64) if self.items is None else self.items
        count = int(items[-1]) + 1 if len(items) else 0
        ids = self.ids or tuple(str(number) for number in range(1, count + 1))
        static_values = np.empty((len(ids), 0)) if self.static_values is None else self.static_values
        for name, value in (("items", items), ("ids", ids), ("static_values", static_values)):
            object.__setattr__(self, name, value)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each column over time."""
        return tuple(column.name for column in self.columns)

    @property
    def units(self) -> tuple[str, ...]:
        """Unit of each column over time."""
        return tuple(column.unit for column in self.columns)

    @property
    def bounds(self) -> np.ndarray:
        """First row of each piece, followed by the number of rows, int64, shape (pieces + 1,)."""
        return np.append(self.starts, len(self)).astype(np.int64)

    @property
    def pieces(self) -> list[tuple[int, int]]:
        """Row range [first, stop) of each piece."""
        return list(pairwise(self.bounds.tolist()))

    @property
    def lengths(self) -> np.ndarray:
        """Rows of each piece, int64, shape (pieces,)."""
        return np.diff(self.bounds)

    @property
    def item_bounds(self) -> np.ndarray:
        """First row of each item, followed by the number of rows, int64, shape (items + 1,)."""
        return self.bounds[np.searchsorted(self.items, np.arange(len(self.ids) + 1))]

    def items_at(self, rows: np.ndarray) -> np.ndarray:
        """The item of each of the rows, int64."""
        return self.items[np.searchsorted(self.starts, rows, side="right") - 1]

    @property
    def is_single(self) -> bool:
        """Whether it holds one item: a series, possibly in several consecutive pieces."""
        return len(self.ids) == 1

    @property
    def clock(self) -> np.ndarray:
        """The time stamps of a panel that has a clock.

        Raises:
            ValueError: if it has none.
        """
        if self.times is None:
            raise ValueError(f"{self.label}: a panel without a clock")
        return self.times

    @property
    def observed(self) -> np.ndarray:
        """Where a value was observed, bool, shape (rows, columns)."""
        return ~np.isnan(self.values)

    def of(self, *roles: Role) -> list[int]:
        """The positions of the columns over time that have one of the roles."""
        return [place for place, column in enumerate(self.columns) if column.role in roles]

    def role(self, role: Role) -> np.ndarray:
        """The values of the columns over time with a role, not to be changed, shape (rows, columns of the role)."""
        places = self.of(role)
        # A large panel often has nothing but targets, and its values are read again and again.
        return self.values if len(places) == len(self.columns) else self.values[:, places]

    @property
    def targets(self) -> np.ndarray:
        """The values of the targets, shape (rows, targets)."""
        return self.role("target")

    @property
    def label_column(self) -> Column | None:
        """The static column to predict; None if there is none."""
        return next((column for column in self.static if column.role == "target"), None)

    @property
    def classes(self) -> tuple[str, ...]:
        """The levels of that column; () if there is none."""
        column = self.label_column
        return () if column is None else column.levels or ()

    @property
    def labels(self) -> np.ndarray:
        """The level of that column for each item, int64, shape (items,); -1 where it is unknown."""
        place = next(place for place, column in enumerate(self.static) if column.role == "target")
        return np.nan_to_num(self.static_values[:, place], nan=-1.0).astype(np.int64)

    @property
    def labelled(self) -> bool:
        """Whether the label of every item is known."""
        return bool((self.labels >= 0).all())

    def take(self, which: np.ndarray) -> "Panel":
        """Some of the items, in the order of their indices `which`, int64; repeated indices repeat items."""
        first, stop = (np.searchsorted(self.items, which, side=side) for side in ("left", "right"))
        kept = runs(first, stop - first)
        lengths = self.lengths[kept]
        rows = runs(self.starts[kept], lengths)
        return replace(
            self,
            values=self.values[rows],
            starts=np.cumsum(lengths) - lengths,
            times=None if self.times is None else self.times[rows],
            items=np.repeat(np.arange(len(which)), stop - first),
            ids=tuple(self.ids[item] for item in which),
            static_values=self.static_values[which],
        )

    def without(self, dropped: np.ndarray) -> "Panel":
        """The panel without some of its rows; pieces are not divided at the resulting gaps.

        Args:
            dropped: Whether a row is left out, bool, shape (rows,).
        """
        kept = np.concatenate([[0], np.cumsum(~dropped)])
        bounds = kept[self.bounds]
        full = np.diff(bounds) > 0
        return replace(
            self,
            values=self.values[~dropped],
            starts=bounds[:-1][full],
            times=None if self.times is None else self.times[~dropped],
            items=self.items[full],
        )


ITEM = "(item)"
"""Name of the static column that tells the item itself."""


def with_item(panel: Panel, levels: tuple[str, ...]) -> Panel:
    """The panel with a static category whose levels are names of items; an item that has no level is unknown.

    Args:
        panel: A panel; one that has such a column already is returned as it is.
        levels: The names.
    """
    if any(column.name == ITEM for column in panel.static):
        return panel
    places = {name: place for place, name in enumerate(levels)}
    own = np.array([places.get(name, np.nan) for name in panel.ids], dtype=np.float64)
    return replace(
        panel,
        static=(*panel.static, Column(ITEM, "", "static", levels)),
        static_values=np.column_stack([panel.static_values, own]),
    )


def joined(first: Panel, second: Panel) -> Panel:
    """Two panels of the same columns, the items of the second after those of the first."""
    times = None
    if first.times is not None and second.times is not None:
        times = np.concatenate([first.times, second.times])
    return replace(
        first,
        values=np.concatenate([first.values, second.values]),
        starts=np.concatenate([first.starts, len(first) + second.starts]),
        label=f"{first.label}, {second.label}",
        times=times,
        items=np.concatenate([first.items, len(first.ids) + second.items]),
        ids=(*first.ids, *second.ids),
        static_values=np.concatenate([first.static_values, second.static_values]),
    )


def runs(first: np.ndarray, counts: np.ndarray, stride: int = 1) -> np.ndarray:
    """For each run the numbers first, first + stride, ..., `counts` of them, concatenated."""
    found = np.arange(counts.sum())
    found -= np.repeat(np.cumsum(counts) - counts, counts)
    if stride != 1:
        found *= stride
    found += np.repeat(first, counts)
    return found

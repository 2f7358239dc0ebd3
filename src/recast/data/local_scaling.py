"""Scaling of targets item by item or window by window: what a model must know of it."""

from dataclasses import dataclass, field, fields
from typing import Any, Literal

Statistic = Literal["mean", "last", "standard", "minmax"]


@dataclass(frozen=True, kw_only=True)
class LocalScaling:
    """How targets are scaled that are not all scaled alike: scaled = (value - location) / scale.

    An item in `ids` has its own numbers, fitted on its training rows. Any other, such as a held-out one or one that is
    new when a forecast is made, is scaled by the context of each window: its rows up to the origin, as far back as the
    model reads. Without `ids` all windows are scaled so, one by one.

    Args:
        statistic: Location and scale of a context. "mean": the mean, and the mean absolute deviation from it; "last":
            the last value, and the mean absolute deviation from it; "standard": mean and standard deviation; "minmax":
            what maps the smallest and largest value to `low` and `high`.
        smallest: Least scale, as a share of the mean absolute value of the context, for contexts that are (nearly)
            constant; where that is 0, the least scale is 1.
        low: Scaled value of the smallest value, for "minmax".
        high: Scaled value of the largest one.
        level: Whether log(1 + |location| / scale) of each target is a static input.
        ids: Names of the items that have their own numbers.
        offset: Location of each target of these items, in its unit.
        scale: Scale of each of them, in its unit; positive.
    """

    statistic: Statistic
    smallest: float = 1e-3
    low: float = -1.0
    high: float = 1.0
    level: bool = False
    ids: tuple[str, ...] = ()
    offset: tuple[tuple[float, ...], ...] = field(default=(), repr=False)
    scale: tuple[tuple[float, ...], ...] = field(default=(), repr=False)

    @property
    def each_window(self) -> bool:
        """Whether every window is scaled by its own context."""
        return not self.ids

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, suitable for a checkpoint and for JSON."""
        values = {option.name: getattr(self, option.name) for option in fields(self)}
        rows = {name: [list(row) for row in values[name]] for name in ("offset", "scale")}
        return values | rows | {"ids": list(self.ids)}

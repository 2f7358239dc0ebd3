"""The meaning of a metric's values: their unit, which direction is better, and the perfect score."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

UNKNOWN = "u"


@dataclass(frozen=True)
class Description:
    """The meaning of a metric's values.

    Args:
        unit: Their unit; "" for none.
        higher_is_better: Whether larger is better; None if the best value is a nominal level, so that it does not rank.
        perfect: The value of a perfect forecast.
        mixes: Whether they add up targets or items that differ in unit or size, so that the largest of these decides.
    """

    unit: str
    higher_is_better: bool | None
    perfect: float
    mixes: bool = False

    @property
    def ranks(self) -> bool:
        """Whether forecasts can be ranked by it."""
        return self.higher_is_better is not None

    def to_dict(self) -> dict[str, Any]:
        """Plain containers, suitable for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Description | None":
        """The inverse of `to_dict`; None if it is not a description."""
        unit, higher, perfect = (values.get(name) for name in ("unit", "higher_is_better", "perfect"))
        if not isinstance(unit, str) or not isinstance(higher, bool | None) or not isinstance(perfect, int | float):
            return None
        mixes = values.get("mixes", False) is True
        return cls(unit, higher, float(perfect), mixes) if math.isfinite(perfect) else None


class Described:
    """A metric that describes its values.

    Attributes:
        higher_is_better: Whether larger is better; None if the best value is a nominal level.
        perfect: The value of a perfect forecast.
    """

    higher_is_better: bool | None
    perfect: float = 0.0

    def unit(self, of: str) -> str:
        """Its unit for data of the unit `of`; "" for none. By default that of the data."""
        return of

    @property
    def has_unit(self) -> bool:
        """Whether the unit of its values follows from that of the data."""
        return self.unit("m") != self.unit("s")

    @property
    def mixes(self) -> bool:
        """Whether it adds up targets that differ in unit or size; see `Description`."""
        return False

    @property
    def title(self) -> str:
        """Its name in figures."""
        return type(self).__name__

    @property
    def in_data_unit(self) -> bool:
        """Whether its values have the unit of the data."""
        return self.unit(UNKNOWN) == UNKNOWN

    def describe(self, of: str) -> Description:
        """The meaning of its values for data of the unit `of`."""
        return Description(self.unit(of), self.higher_is_better, self.perfect, self.mixes)


def ranking(metrics: Mapping[str, Description]) -> str | None:
    """The name of the metric used for ranking; None if none ranks.

    The first that ranks; where targets differ in unit or size, the first that ranks and does not mix them, if any.
    """
    ranked = [name for name, description in metrics.items() if description.ranks]
    return next((name for name in ranked if not metrics[name].mixes), next(iter(ranked), None))


def ranking_remark(metrics: Mapping[str, Description]) -> str | None:
    """A line that says why the first metric does not rank, or should not; None where it may."""
    first = next((name for name, description in metrics.items() if description.ranks), None)
    if first is None or not metrics[first].mixes:
        return None
    chosen = ranking(metrics)
    why = f"targets or items differ in unit or size, and the largest decides {first}"
    if chosen == first:
        return f"ranked by {first} for want of a scaled metric, such as scaled_mse or mase: {why}"
    return f"ranked by {chosen}: {why}"


def of_pictures(metrics: Mapping[str, "Described"]) -> str | None:
    """The name of the error shown in figures: the first that ranks in the data's own unit; None if none does.

    Where that mixes targets which differ in unit or size, the first that ranks and does not, if any.
    """
    ranked = [name for name, metric in metrics.items() if metric.describe("").ranks]
    own = next((name for name in ranked if metrics[name].in_data_unit), None)
    if own is None or not metrics[own].mixes:
        return own
    return next((name for name in ranked if not metrics[name].mixes), own)


def squared(unit: str) -> str:
    """The square of a unit; "" for none, "mixed" for several units."""
    if unit in ("", "mixed"):
        return unit
    return f"{unit}²" if unit.isalpha() else f"({unit})²"

"""Hour, weekday and season as columns."""

from collections.abc import Sequence
from typing import Annotated, Literal, final

import numpy as np
import pandas as pd
from annotated_types import MinLen

from recast.data.features.computed_feature import Computed, ComputedFeature, local
from recast.data.panel import Panel
from recast.data.sources.stamps import check_zone
from recast.errors import ConfigurationError
from recast.options import checked

Part = Literal["hour", "weekday", "weekend", "day", "day_of_year", "month"]
Form = Literal["cyclic", "number", "category"]

FIRST = {"hour": 0, "weekday": 0, "day": 1, "day_of_year": 1, "month": 1}
LEVELS: dict[str, tuple[str, ...]] = {
    "hour": tuple(str(hour) for hour in range(24)),
    "weekday": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
    "day": tuple(str(day) for day in range(1, 32)),
    "day_of_year": tuple(str(day) for day in range(1, 367)),
    "month": tuple(str(month) for month in range(1, 13)),
}


@final
class Calendar(ComputedFeature):
    """Where a stamp lies in the day, the week and the year, by the clocks of a place.

    hour (0 to 24, minutes as fractions), weekday (Monday is 0), weekend (1 on Saturday and Sunday, otherwise 0), day
    (of the month, from 1), day_of_year (from 1), month (from 1).

    Args:
        parts: What is computed, of hour, weekday, weekend, day, day_of_year, month.
        form: "cyclic": a sine and a cosine of 2 pi (part - first) / n, with n the hours of a day, days of a week, of
            the month, of the year, or months of a year, so that the end is next to the beginning; "number": the part
            itself; "category": a level for each of its whole numbers, which models embed. weekend is always a number.
        timezone: Zone whose clocks count ("Europe/Oslo"), for stamps in UTC; None: that of the source, where it is
            known, otherwise the stamps as they are.

    Raises:
        ConfigurationError: if a part is named twice, or the zone is unknown.
    """

    @checked
    def __init__(
        self,
        *,
        parts: Annotated[list[Part], MinLen(1)],
        form: Form = "cyclic",
        timezone: str | None = None,
    ) -> None:
        if len(set(parts)) < len(parts):
            raise ConfigurationError(f"Calendar: parts={parts}: a part is named twice")
        check_zone("Calendar", timezone)
        self.parts = parts
        self.form = form
        self.timezone = timezone

    def columns(self, panel: Panel) -> list[Computed]:
        """See the base class."""
        if self.timezone is not None and panel.timezone is None:
            raise ConfigurationError(
                f"Calendar: timezone={self.timezone}, but the stamps of {panel.label} have no zone; leave it out, or "
                "name theirs: data.source.timezone"
            )
        found: list[Computed] = []
        for part in self.parts:
            if part == "weekend":
                found.append(Computed(part))
            elif self.form == "cyclic":
                found += [Computed(f"{part}.sin"), Computed(f"{part}.cos")]
            elif self.form == "number":
                half = len(LEVELS[part]) / 2
                found.append(Computed(part, scaling=(FIRST[part] + half, half)))
            else:
                found.append(Computed(part, levels=LEVELS[part]))
        return found

    def at(
        self, times: np.ndarray, items: np.ndarray, panel: Panel, *, horizon: int, numbers: Sequence[float] = ()
    ) -> np.ndarray:
        """See the base class."""
        stamps = pd.DatetimeIndex(local(times, panel, self.timezone))
        columns: list[np.ndarray] = []
        for part in self.parts:
            value, cycle = _part(part, stamps)
            if part == "weekend" or self.form == "number":
                columns.append(value)
            elif self.form == "cyclic":
                angle = 2 * np.pi * (value - FIRST[part]) / cycle
                columns += [np.sin(angle), np.cos(angle)]
            else:
                columns.append(np.floor(value) - FIRST[part])
        return np.column_stack(columns)


def _part(part: Part, stamps: pd.DatetimeIndex) -> tuple[np.ndarray, np.ndarray | float]:
    """A part of stamps as numbers, and the length of its cycle."""
    if part == "hour":
        since = stamps.to_numpy() - stamps.to_numpy().astype("datetime64[D]")
        return since / np.timedelta64(1, "h"), 24.0
    if part == "weekday":
        return stamps.day_of_week.to_numpy(np.float64), 7.0
    if part == "weekend":
        return (stamps.day_of_week.to_numpy() >= 5).astype(np.float64), 1.0
    if part == "day":
        return stamps.day.to_numpy(np.float64), stamps.days_in_month.to_numpy(np.float64)
    if part == "day_of_year":
        return stamps.day_of_year.to_numpy(np.float64), np.where(stamps.is_leap_year, 366.0, 365.0)
    return stamps.month.to_numpy(np.float64), 12.0

"""Public holidays as a column."""

from collections.abc import Sequence
from typing import Any, final

import numpy as np
import pandas as pd

from recast.data.features.computed_feature import Computed, ComputedFeature, local
from recast.data.panel import Panel
from recast.data.sources.stamps import check_zone
from recast.errors import ConfigurationError
from recast.options import NonNegativeInt, checked


@final
class Holidays(ComputedFeature):
    """1 on the public holidays of a country, by its clocks, otherwise 0; from the package `holidays`.

    Args:
        country: Code of the country in ISO 3166 ("NO", "DE").
        subdivision: Code of a part of it with holidays of its own ("BY"); None: those of the whole country alone.
        around: Days before and after that have columns of their own: with 1, one that is 1 on the day before a
            holiday, and one on the day after. [days]
        timezone: Zone whose days count, for stamps in UTC; None: that of the source, where it is known, otherwise the
            stamps as they are.

    Raises:
        ConfigurationError: if the country, its part or the zone is unknown, or the package is not installed.
    """

    @checked
    def __init__(
        self, *, country: str, subdivision: str | None = None, around: NonNegativeInt = 0, timezone: str | None = None
    ) -> None:
        check_zone("Holidays", timezone)
        self.country = country
        self.subdivision = subdivision
        self.around = around
        self.timezone = timezone

    def columns(self, panel: Panel) -> list[Computed]:
        """See the base class."""
        self._days([2000])
        return [Computed(_name(days)) for days in self._shifts]

    def at(
        self, times: np.ndarray, items: np.ndarray, panel: Panel, *, horizon: int, numbers: Sequence[float] = ()
    ) -> np.ndarray:
        """See the base class."""
        days = local(times, panel, self.timezone).astype("datetime64[D]")
        first, last = (int(pd.Timestamp(edge).year) for edge in (days.min(), days.max()))
        known = np.array(sorted(self._days(range(first - 1, last + 2))), dtype="datetime64[D]")
        # A day before a holiday is one whose next day is a holiday.
        return np.column_stack([np.isin(days - np.timedelta64(shift, "D"), known) for shift in self._shifts]).astype(
            np.float64
        )

    @property
    def _shifts(self) -> list[int]:
        return sorted(range(-self.around, self.around + 1), key=lambda days: (abs(days), days))

    def _days(self, years: Sequence[int]) -> Any:
        try:
            import holidays
        except ImportError as error:
            raise ConfigurationError(
                "Holidays: the package holidays is not installed; pip install 'recast-rnn[calendar]'"
            ) from error
        try:
            return holidays.country_holidays(self.country, subdiv=self.subdivision, years=years)
        except NotImplementedError as error:
            place = self.country if self.subdivision is None else f"{self.country}, {self.subdivision}"
            reason = " ".join(str(error).split())
            raise ConfigurationError(f"Holidays: no holidays of {place} are known: {reason[:160]}") from error


def _name(days: int) -> str:
    if not days:
        return "day"
    return f"{abs(days)}d {'after' if days > 0 else 'before'}"

"""The base of columns that are computed: known ahead without a file, or from what was observed before."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from recast.data.panel import Column, Panel
from recast.data.zone import Zone

Rows = slice | np.ndarray
"""Rows of a panel: a range, or whether each is meant."""


@dataclass(frozen=True)
class Computed:
    """A column that a feature computes.

    Args:
        name: Its name.
        unit: Its unit.
        levels: Names of the levels of a category; None: real numbers.
        scaling: Offset and scale that a model sees it by; None: those that the data's scaler fits.
        role: "known" ahead, or "past": as observed up to the origin.
        from_origin: Whether a window has its values less that at the origin; see `recast.data.panel.Column`.
    """

    name: str
    unit: str = ""
    levels: tuple[str, ...] | None = None
    scaling: tuple[float, float] | None = (0.0, 1.0)
    role: Literal["past", "known"] = "known"
    from_origin: bool = False

    def column(self, feature: str) -> Column:
        """As a column of a panel, under the name of the feature."""
        return Column(f"{feature}.{self.name}", self.unit, self.role, self.levels, self.from_origin)


class ComputedFeature(ABC):
    """Computes columns of a panel at any stamps, past and future, so that models have them as inputs known ahead.

    A column that follows from all that was observed before a stamp is an input up to the origin (the role "past").

    A new one subclasses this, implements `columns` and `at`, and has a yaml in `conf/data/features`. What it computes
    at a stamp follows from that stamp, and from observations that are known at each origin for which the stamp lies in
    the horizon.
    """

    @property
    def is_fitted(self) -> bool:
        """Whether it has numbers that are fitted on training rows; see `fit`."""
        return False

    @abstractmethod
    def columns(self, panel: Panel) -> Sequence[Computed]:
        """What it computes for a panel.

        Raises:
            ConfigurationError: if it does not fit the panel.
        """

    @abstractmethod
    def at(
        self, times: np.ndarray, items: np.ndarray, panel: Panel, *, horizon: int, numbers: Sequence[float] = ()
    ) -> np.ndarray:
        """The columns at stamps, float64, NaN where they are not known, shape (times, columns).

        Args:
            times: Stamps, `datetime64[ns]`.
            items: The item of the panel that each belongs to.
            panel: What was observed.
            horizon: Steps that are forecast. [steps]
            numbers: What `fit` gave.
        """

    def fit(self, panel: Panel, rows: Rows) -> tuple[float, ...]:
        """The numbers that the checkpoint keeps.

        Args:
            panel: What was observed.
            rows: Its training rows.

        Raises:
            DataError: if there are too few of them.
        """
        del panel, rows
        return ()

    def facts(self, panel: Panel, numbers: Sequence[float]) -> dict[str, Any]:
        """What a fit has chosen, in plain containers; nothing unless overridden.

        Args:
            panel: What was observed.
            numbers: What `fit` gave.
        """
        del panel, numbers
        return {}

    def check(self, panel: Panel, horizon: int) -> None:
        """Raises ConfigurationError where it is not known at each of the `horizon` leads."""
        del panel, horizon

    def reach(self, panel: Panel) -> np.timedelta64:
        """How far before a stamp it reads observations."""
        del panel
        return np.timedelta64(0, "ns")


def local(times: np.ndarray, panel: Panel, timezone: str | None) -> np.ndarray:
    """Stamps by the clocks of a place.

    Args:
        times: Stamps of a panel.
        panel: The panel; its zone is used where none is named.
        timezone: Name of a zone, for stamps in UTC; None: that of the panel, if it is known.
    """
    zone = panel.zone if timezone is None else Zone(timezone)
    return times if zone is None or panel.timezone is None else zone.local(times)

"""Gaps filled by a course that is known at every time, and by what the values beside them leave of it."""

from abc import abstractmethod
from dataclasses import replace
from typing import Annotated, Any, final

import numpy as np
from annotated_types import Ge, Le, MinLen
from jaxtyping import Float64, Int64

from recast.data.features.tidal_basis import MILLISECONDS_PER_HOUR, check_constituents, check_known
from recast.data.panel import Panel
from recast.errors import ConfigurationError
from recast.options import PositiveFloat, checked
from recast.scoring.baselines.gap_baselines import FillLinear, GapBaseline, GapWindows, times_of
from recast.scoring.baselines.tidal_fit import TidalFit


class FillCourse(GapBaseline):
    """A course fitted on the training part, plus what another baseline makes of the residual.

        x(t) = course(t) + residual(t)

    where `residual` is fitted on the training part minus the course, and fills windows minus the course.

    A new course subclasses this and implements `_fit_course` and `_course`.

    Args:
        residual: Fills what the course leaves; None: the line across the gap.
    """

    def __init__(self, *, residual: GapBaseline | None) -> None:
        self.residual = residual or FillLinear()

    @property
    def facts(self) -> dict[str, Any]:
        """What was chosen for the residual."""
        return self.residual.facts

    def require_affordable(self, windows: int, targets: int) -> None:
        """As the baseline of the residual."""
        self.residual.require_affordable(windows, targets)

    def _fit(self, training: Panel) -> None:
        times = times_of(training.clock)
        self._fit_course(training, times)
        self.residual.fit(replace(training, values=training.values - self._course(times)))

    def _fill(self, windows: GapWindows, means: Float64[np.ndarray, " targets"]) -> np.ndarray:
        course = self._course(windows.times)
        return course + self.residual.fill(windows.minus(course))

    @abstractmethod
    def _fit_course(self, training: Panel, times: Int64[np.ndarray, " rows"]) -> None:
        """Fits the course on the training part, whose rows have these times in ms since 1970-01-01 UTC."""

    @abstractmethod
    def _course(self, times: Int64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape targets"]:
        """The course at any times."""


@final
class FillSeasonal(FillCourse):
    """The mean of each phase of a season over the training part, and what another baseline makes of the residual.

    Phases are as many as the season has steps, and counted in time, so that the season need be no multiple of the step.
    A phase that was never observed has the mean of all.

    Args:
        hours: Length of the season. [hours]
        residual: Fills what the season leaves; None: the line across the gap.

    Raises:
        ConfigurationError: at fit, if the season is shorter than two steps.
    """

    @checked
    def __init__(self, *, hours: PositiveFloat, residual: GapBaseline | None = None) -> None:
        super().__init__(residual=residual)
        self.hours = hours

    def _fit_course(self, training: Panel, times: Int64[np.ndarray, " rows"]) -> None:
        step = np.median(np.diff(times)) / MILLISECONDS_PER_HOUR
        phases = round(self.hours / step)
        if phases < 2:
            raise ConfigurationError(
                f"FillSeasonal: hours={self.hours:g} is less than two steps of {step:g} hours; use a longer season"
            )
        self._profile = np.tile(np.nanmean(training.targets, axis=0), (phases, 1))
        phase = self._phase(times)
        for target, values in enumerate(training.targets.T):
            seen = ~np.isnan(values)
            counts = np.bincount(phase[seen], minlength=phases)
            sums = np.bincount(phase[seen], weights=values[seen], minlength=phases)
            self._profile[counts > 0, target] = sums[counts > 0] / counts[counts > 0]

    def _phase(self, times: Int64[np.ndarray, "*shape"]) -> Int64[np.ndarray, "*shape"]:
        season = round(self.hours * MILLISECONDS_PER_HOUR)
        return times % season * len(self._profile) // season

    def _course(self, times: Int64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape targets"]:
        return self._profile[self._phase(times)]


@final
class FillHarmonic(FillCourse):
    """The tide of the training part, and what another baseline makes of the residual.

    See `recast.scoring.baselines.tidal_fit.TidalFit`.

    Args:
        constituents: Names of the tidal constituents in UTide; None: chosen on the training rows.
        latitude: Latitude of the gauge for nodal corrections; None omits them. [degrees]
        residual: Fills what the tide leaves; None: the line across the gap.

    Raises:
        ConfigurationError: if constituents are repeated (when built) or unknown (at fit), or the latitude is 0.
        DataError: at fit, if there are fewer training rows than coefficients.
    """

    @checked
    def __init__(
        self,
        *,
        constituents: Annotated[list[str], MinLen(1)] | None = None,
        latitude: Annotated[float, Ge(-90), Le(90)] | None = None,
        residual: GapBaseline | None = None,
    ) -> None:
        check_constituents("FillHarmonic", constituents or (), latitude)
        super().__init__(residual=residual)
        self.constituents = constituents
        self.latitude = latitude

    @property
    def facts(self) -> dict[str, Any]:
        """The constituents, and what was chosen for the residual."""
        return {"constituents": self._tide.constituents} | super().facts

    def _fit_course(self, training: Panel, times: Int64[np.ndarray, " rows"]) -> None:
        check_known("FillHarmonic", self.constituents or ())
        self._tide = TidalFit.of("FillHarmonic", times, training.targets, self.constituents, self.latitude)

    def _course(self, times: Int64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape targets"]:
        return self._tide.at(times)

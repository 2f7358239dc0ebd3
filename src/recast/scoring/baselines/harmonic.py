"""Tidal harmonic analysis, with or without a forecast of the residual."""

from dataclasses import replace
from typing import Annotated, Any, ClassVar, final

import numpy as np
from annotated_types import Ge, Le, MinLen
from jaxtyping import Float

from recast.data.features.tidal_basis import check_constituents, check_known, milliseconds
from recast.options import checked
from recast.scoring.baselines.baseline import Baseline, History
from recast.scoring.baselines.tidal_fit import TidalFit
from recast.types import Origins


@final
class Harmonic(Baseline):
    """The tide as a constant plus one oscillation for each constituent, by least squares on the training rows.

        tide(t) = a + sum_k f_k(t) A_k cos(V_k(t) + u_k(t) - g_k)

    with V_k the astronomical argument, amplitude A_k and phase lag g_k fitted at the rows' true times (gaps and
    irregular steps are harmless), without trend, for each target separately; f_k, u_k are the nodal corrections. V, f
    and u are those of UTide: Codiga (2011), "Unified tidal analysis and prediction using the UTide Matlab functions",
    University of Rhode Island, Technical Report 2011-01. The forecast is the tide at the future times plus, if
    `residual` is given, the forecast of a baseline that was fitted on the training part minus the tide and reads the
    context minus the tide: `LastValue` holds the last residual (surge), `Ridge` maps the residuals.

    Args:
        constituents: Names of the tidal constituents in UTide ("M2", "S2", "K1" ...), without repetition; None: chosen
            on the training rows, see `recast.data.features.tidal_choice.chosen_constituents`; where it
            finds none, the mean alone.
        latitude: Latitude of the gauge for nodal corrections, positive north, not 0 (UTide uses 5 degrees for less than
            5); None omits them, which is right for a training part of a few months and a test part soon after.
            [degrees]
        residual: Baseline that forecasts the residual; None: only the tide is forecast.

    Raises:
        ConfigurationError: if constituents are repeated (when built) or unknown (at fit), or the latitude is 0.
        DataError: at fit, if there are fewer training rows than coefficients.
    """

    reads_gaps: ClassVar[bool] = True

    @checked
    def __init__(
        self,
        *,
        constituents: Annotated[list[str], MinLen(1)] | None = None,
        latitude: Annotated[float, Ge(-90), Le(90)] | None = None,
        residual: Baseline | None = None,
    ) -> None:
        check_constituents("Harmonic", constituents or (), latitude)
        self.constituents = constituents
        self.latitude = latitude
        self.residual = residual

    def _fit(self, history: History) -> None:
        check_known("Harmonic", self.constituents or ())
        self._tidal = TidalFit.of(
            "Harmonic", milliseconds(history.hours), history.values, self.constituents, self.latitude
        )
        if self.residual is not None:
            self.residual.fit(history.minus(self._tide(history.hours)))

    @property
    def facts(self) -> dict[str, Any]:
        """The constituents, and what was chosen for the residual."""
        return {"constituents": self._tidal.constituents} | ({} if self.residual is None else self.residual.facts)

    def _forecast(self, origins: Origins) -> Float[np.ndarray, "batch horizon targets"]:
        if self.residual is None:
            return self._tide(origins.future_hours)
        tide = self._tide(np.concatenate([origins.context_hours, origins.future_hours], axis=1))
        past, future = np.split(tide, [origins.context_hours.shape[1]], axis=1)
        return future + self.residual.forecast(_minus(origins, past))

    def _tide(self, hours: np.ndarray) -> np.ndarray:
        """The tide at any array of times; one more axis, of targets, at the end."""
        return self._tidal.at(milliseconds(hours))


def _minus(origins: Origins, tide: np.ndarray) -> Origins:
    return replace(origins, context=origins.context - tide)

"""Tidal harmonic analysis, with or without a forecast of the residual."""

import difflib
from collections.abc import Sequence
from typing import Annotated, ClassVar, final

import numpy as np
import pandas as pd
from annotated_types import Ge, Le, MinLen
from jaxtyping import Float, Int

from recast.errors import ConfigurationError, DataError
from recast.options import checked
from recast.scoring.baselines.baseline import Baseline, History
from recast.types import Origins

MILLISECONDS_PER_DAY = 86_400_000
DAYS_BEFORE_1970 = 719_163  # from 0000-12-31, the day 0 of UTide's astronomy


class TidalBasis:
    """A cosine and a sine for each constituent, and a constant: f cos(V + u), f sin(V + u), 1.

    V is the astronomical argument at the exact time, f and u are the nodal corrections; both are UTide's, from its
    tables and its astronomy (Codiga 2011, see `Harmonic`). UTide's own functions compute V for all 146 constituents,
    whichever are requested, and hold them for all times in memory.

    Args:
        constituents: Names known to UTide.
        latitude: As in `Harmonic`; None: f = 1, u = 0. [degrees]
    """

    def __init__(self, constituents: Sequence[str], latitude: float | None) -> None:
        from utide import constit_index_dict

        self._places = np.array([constit_index_dict[name] for name in constituents])
        self._latitude = latitude
        self._mixing, self._doodson, self._phase = _arguments(self._places)

    @property
    def size(self) -> int:
        """Columns."""
        return 2 * len(self._places) + 1

    def at(self, milliseconds: Int[np.ndarray, " times"]) -> Float[np.ndarray, "times columns"]:
        """The cosines, the sines, and the constant.

        Args:
            milliseconds: Times, since 1970-01-01 UTC. [ms]
        """
        from utide.astronomy import ut_astron
        from utide.harmonics import FUV

        days = milliseconds / MILLISECONDS_PER_DAY + DAYS_BEFORE_1970
        astronomical = np.fmod(self._doodson @ ut_astron(days)[0] + self._phase, 1)
        angle = (self._mixing @ astronomical).T
        factor = 1.0
        if self._latitude is not None:
            # Its flags: nodal corrections exact, none; arguments at one time and linear from there, none.
            factor, nodal, _ = FUV(days, days[0], self._places, self._latitude, [False, False, True, False])
            angle = angle + nodal
        angle = angle * (2 * np.pi)
        return np.concatenate([factor * np.cos(angle), factor * np.sin(angle), np.ones((len(days), 1))], axis=1)


def _arguments(places: Int[np.ndarray, " constituents"]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The terms whose sums are the arguments of constituents.

    A constituent of deep water has Doodson numbers and a phase; one of shallow water is a sum of such constituents.

    Returns:
        How often each astronomical constituent enters each requested one, (constituents, astronomical); the Doodson
        numbers of the former, (astronomical, 6), and their phases in cycles, (astronomical, 1).
    """
    from utide import ut_constants

    const, shallow = ut_constants.const, ut_constants.shallow
    sums: list[dict[int, float]] = []
    for place in places:
        if np.isnan(const.nshallow[place]):
            sums.append({int(place): 1.0})
        else:
            first = int(const.ishallow[place]) - 1
            parts = slice(first, first + int(const.nshallow[place]))
            sums.append(dict(zip(shallow.iname[parts].astype(int) - 1, shallow.coef[parts], strict=True)))
    astronomical = sorted({place for parts in sums for place in parts})
    mixing = np.array([[parts.get(place, 0.0) for place in astronomical] for parts in sums])
    return mixing, const.doodson[astronomical], const.semi[astronomical, np.newaxis]


MILLISECONDS_PER_HOUR = 3_600_000
ROWS = 8192  # in memory at a time; of 12 constituents they make 2 MB


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
        constituents: Names of the tidal constituents in UTide ("M2", "S2", "K1" ...), without repetition.
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
        constituents: Annotated[list[str], MinLen(1)],
        latitude: Annotated[float, Ge(-90), Le(90)] | None = None,
        residual: Baseline | None = None,
    ) -> None:
        repeated = sorted({name for name in constituents if constituents.count(name) > 1})
        if repeated:
            raise ConfigurationError(
                f"Harmonic: constituents: {', '.join(repeated)} given more than once; expected once"
            )
        if latitude == 0:
            raise ConfigurationError(
                "Harmonic: latitude=0: the nodal corrections are not defined at the equator; give 5 or -5, "
                "which stand for all latitudes nearer to it, or None for no corrections"
            )
        self.constituents = constituents
        self.latitude = latitude
        self.residual = residual

    def _fit(self, history: History) -> None:
        self._check_names()
        coefficients = 1 + 2 * len(self.constituents)
        seen = ~np.isnan(history.values)
        rows = int(seen.sum(axis=0).min())
        if rows < coefficients:
            raise DataError(
                f"Harmonic: {rows} training rows, but {len(self.constituents)} constituents have "
                f"{coefficients} coefficients; use a longer training part or fewer constituents"
            )
        self._basis = TidalBasis(self.constituents, self.latitude)
        times = _milliseconds(history.hours)
        if seen.all():
            self._coefficients = _fitted(self._basis, times, history.values)
        else:
            targets = [
                _fitted(self._basis, times[own], values[own, None])
                for own, values in zip(seen.T, history.values.T, strict=True)
            ]
            self._coefficients = np.concatenate(targets, axis=1)
        if self.residual is not None:
            self.residual.fit(history.minus(self._tide(history.hours)))

    def _forecast(self, origins: Origins) -> Float[np.ndarray, "batch horizon targets"]:
        if self.residual is None:
            return self._tide(origins.future_hours)
        tide = self._tide(np.concatenate([origins.context_hours, origins.future_hours], axis=1))
        past, future = np.split(tide, [origins.context_hours.shape[1]], axis=1)
        return future + self.residual.forecast(_minus(origins, past))

    def _check_names(self) -> None:
        from utide import constit_index_dict

        known = sorted(set(constit_index_dict) - {"Z0"})  # Z0 is the constant, which is always included
        for name in self.constituents:
            if name not in known:
                near = difflib.get_close_matches(name.upper(), known)
                hint = f"did you mean {' or '.join(near)}? " if near else ""
                raise ConfigurationError(
                    f"Harmonic: constituents: no constituent {name!r}; {hint}UTide has {', '.join(known)}"
                )

    def _tide(self, hours: np.ndarray) -> np.ndarray:
        """The tide at any array of times; one more axis, of targets, at the end."""
        # Windows overlap: each time is computed once.
        place, found = pd.factorize(_milliseconds(hours).ravel())
        times = np.asarray(found)
        tide = np.empty((len(times), self._coefficients.shape[1]))
        for part in _parts(len(times)):
            tide[part] = self._basis.at(times[part]) @ self._coefficients
        return tide[place].reshape(*hours.shape, -1)


def _fitted(basis: TidalBasis, times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The least-squares coefficients, shape (columns, targets).

    The R factor of a QR decomposition is updated block by block: as accurate as all rows at once, which would take many
    times the memory of the series.
    """
    triangle = np.empty((0, basis.size + values.shape[1]))
    for part in _parts(len(times)):
        rows = np.column_stack([basis.at(times[part]), values[part]])
        triangle = np.asarray(np.linalg.qr(np.concatenate([triangle, rows]), mode="r"))
    resolution = np.finfo(np.float64).eps * len(times)
    return np.linalg.lstsq(triangle[:, : basis.size], triangle[:, basis.size :], rcond=resolution)[0]


def _parts(count: int) -> list[slice]:
    return [slice(first, first + ROWS) for first in range(0, count, ROWS)]


def _milliseconds(hours: np.ndarray) -> np.ndarray:
    # Seconds are not binary fractions of an hour; truncation would lose a millisecond.
    return np.rint(hours * MILLISECONDS_PER_HOUR).astype(np.int64)


def _minus(origins: Origins, tide: np.ndarray) -> Origins:
    return Origins(origins.context - tide, origins.context_hours, origins.future_hours)

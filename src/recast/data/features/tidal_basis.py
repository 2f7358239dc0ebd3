"""Tidal constituents as functions of time, and their least-squares fit."""

import difflib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from recast.errors import ConfigurationError

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

        self._places = np.array([constit_index_dict[name] for name in constituents], dtype=np.int64)
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

        if not len(self._places):
            return np.ones((len(milliseconds), 1))
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


def check_constituents(owner: str, constituents: Sequence[str], latitude: float | None) -> None:
    """Raises ConfigurationError if a constituent is repeated, or the latitude is 0."""
    repeated = sorted({name for name in constituents if constituents.count(name) > 1})
    if repeated:
        raise ConfigurationError(f"{owner}: constituents: {', '.join(repeated)} given more than once; expected once")
    if latitude == 0:
        raise ConfigurationError(
            f"{owner}: latitude=0: the nodal corrections are not defined at the equator; give 5 or -5, "
            "which stand for all latitudes nearer to it, or None for no corrections"
        )


def check_known(owner: str, constituents: Sequence[str]) -> None:
    """Raises ConfigurationError if UTide does not know a constituent."""
    from utide import constit_index_dict

    known = sorted(set(constit_index_dict) - {"Z0"})  # Z0 is the constant, which is always included
    for name in constituents:
        if name not in known:
            near = difflib.get_close_matches(name.upper(), known)
            hint = f"did you mean {' or '.join(near)}? " if near else ""
            raise ConfigurationError(
                f"{owner}: constituents: no constituent {name!r}; {hint}UTide has {', '.join(known)}"
            )


def fitted(basis: TidalBasis, times: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The least-squares coefficients, shape (columns, targets).

    The R factor of a QR decomposition is updated block by block: as accurate as all rows at once, which would take many
    times the memory of the series.
    """
    triangle = np.empty((0, basis.size + values.shape[1]))
    for part in parts_of(len(times)):
        rows = np.column_stack([basis.at(times[part]), values[part]])
        triangle = np.asarray(np.linalg.qr(np.concatenate([triangle, rows]), mode="r"))
    resolution = np.finfo(np.float64).eps * len(times)
    return np.linalg.lstsq(triangle[:, : basis.size], triangle[:, basis.size :], rcond=resolution)[0]


def parts_of(count: int) -> list[slice]:
    """Ranges of rows that are in memory at a time."""
    return [slice(first, first + ROWS) for first in range(0, count, ROWS)]


def milliseconds(hours: np.ndarray) -> np.ndarray:
    """Whole milliseconds of hours."""
    # Seconds are not binary fractions of an hour; truncation would lose a millisecond.
    return np.rint(hours * MILLISECONDS_PER_HOUR).astype(np.int64)

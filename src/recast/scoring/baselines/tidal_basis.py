"""The oscillations that a tide is made of, at any times."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

MILLISECONDS_PER_DAY = 86_400_000
DAYS_BEFORE_1970 = 719_163  # from 0000-12-31, the day 0 of UTide's astronomy


class TidalBasis:
    """A cosine and a sine for each constituent, and a constant: f cos(V + u), f sin(V + u), 1.

    V is the astronomical argument at the very time, f and u are the nodal corrections; both are UTide's, from its
    tables and its astronomy (Codiga 2011, see `Harmonic`). UTide's own functions compute V for all 146 constituents
    that it knows, whichever are asked for, and keep them for all times.

    Args:
        constituents: Names that UTide has.
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
    """What the arguments of constituents are sums of.

    A constituent of deep water has Doodson numbers and a phase; one of shallow water is a sum of such constituents.

    Returns:
        How often each astronomical constituent comes in each one asked for, (constituents, astronomical); the Doodson
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

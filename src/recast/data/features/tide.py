"""The tide as columns: its constituents, or the tide itself as fitted on training rows."""

from collections.abc import Sequence
from typing import Annotated, Any, final

import numpy as np
from annotated_types import Ge, Le, MinLen

from recast.data.features.computed_feature import Computed, ComputedFeature, Rows
from recast.data.features.tidal_basis import TidalBasis, check_constituents, check_known, fitted, parts_of
from recast.data.features.tidal_choice import candidates, chosen_constituents
from recast.data.panel import Panel
from recast.errors import ConfigurationError, DataError
from recast.options import checked

Constituents = Annotated[list[str], MinLen(1)]
Latitude = Annotated[float, Ge(-90), Le(90)]
NS_PER_MS = 1_000_000


def _at(basis: TidalBasis, times: np.ndarray) -> np.ndarray:
    """The cosines, the sines and the constant at stamps, shape (times, basis.size)."""
    stamps = times.astype("datetime64[ns]").astype(np.int64) // NS_PER_MS
    return np.concatenate([np.empty((0, basis.size)), *(basis.at(stamps[part]) for part in parts_of(len(stamps)))])


@final
class TidalConstituents(ComputedFeature):
    """Cosine and sine of the astronomical argument of tidal constituents: f cos(V + u), f sin(V + u).

    V, f and u are those of UTide, see `recast.scoring.baselines.harmonic.Harmonic`.
    Arguments of any period without astronomy are `data.periods`.

    Args:
        constituents: Names of the constituents in UTide ("M2", "S2", "K1" ...), without repetition.
        latitude: Latitude of the gauge for the nodal corrections f and u, positive north, not 0; None: f = 1, u = 0.
            [degrees]

    Raises:
        ConfigurationError: if constituents are repeated or unknown, or the latitude is 0.
    """

    @checked
    def __init__(self, *, constituents: Constituents, latitude: Latitude | None = None) -> None:
        check_constituents("TidalConstituents", constituents, latitude)
        self.constituents = constituents
        self.latitude = latitude

    def columns(self, panel: Panel) -> list[Computed]:
        """See the base class."""
        check_known("TidalConstituents", self.constituents)
        return [Computed(f"{name}.{part}") for part in ("cos", "sin") for name in self.constituents]

    def at(
        self, times: np.ndarray, items: np.ndarray, panel: Panel, *, horizon: int, numbers: Sequence[float] = ()
    ) -> np.ndarray:
        """See the base class."""
        return _at(TidalBasis(self.constituents, self.latitude), times)[:, :-1]


@final
class FittedTide(ComputedFeature):
    """The tide of each target: a constant plus one oscillation for each constituent, by least squares on training rows.

    See `recast.scoring.baselines.harmonic.Harmonic`, whose forecast without residual it is. For one series.

    Args:
        constituents: Names of the constituents in UTide ("M2", "S2", "K1" ...), without repetition; None: chosen on
            the training rows, see `recast.data.features.tidal_choice.chosen_constituents`; where it
            finds none, the mean alone.
        latitude: Latitude of the gauge for nodal corrections, positive north, not 0; None omits them. [degrees]

    Raises:
        ConfigurationError: if constituents are repeated or unknown, or the latitude is 0.
        DataError: if there are several series, or fewer training rows than coefficients.
    """

    @checked
    def __init__(self, *, constituents: Constituents | None = None, latitude: Latitude | None = None) -> None:
        check_constituents("FittedTide", constituents or (), latitude)
        self.constituents = constituents
        self.latitude = latitude

    @property
    def is_fitted(self) -> bool:
        """True: amplitudes and phases."""
        return True

    def columns(self, panel: Panel) -> list[Computed]:
        """See the base class."""
        check_known("FittedTide", self.constituents or ())
        targets = [column for column in panel.columns if column.role == "target"]
        return [Computed(column.name, column.unit, scaling=None) for column in targets]

    def fit(self, panel: Panel, rows: Rows) -> tuple[float, ...]:
        """See the base class."""
        if not panel.is_single:
            raise DataError(
                f"{panel.label}: {len(panel.ids)} series, each with a tide of its own; FittedTide is for one; use "
                "TidalConstituents (data/features=tidal_constituents)"
            )
        stamps = panel.clock[rows].astype(np.int64) // NS_PER_MS
        targets = panel.targets[rows]
        names = self.constituents or chosen_constituents(stamps, targets, self.latitude)
        basis = TidalBasis(names, self.latitude)
        table = np.zeros((targets.shape[1], 2, len(self._names)))
        constants, places = np.zeros((targets.shape[1], 1)), [self._names.index(name) for name in names]
        for number, values in enumerate(targets.T):
            seen = ~np.isnan(values)
            if seen.sum() < basis.size:
                raise DataError(
                    f"{panel.label}: {seen.sum()} training rows, but {len(names)} constituents have {basis.size} "
                    "coefficients; use a longer training part or fewer constituents"
                )
            found = fitted(basis, stamps[seen], values[seen, None])[:, 0]
            table[number][:, places], constants[number] = found[:-1].reshape(2, -1), found[-1]
        return tuple(np.concatenate([table.reshape(len(table), -1), constants], axis=1).ravel().tolist())

    def facts(self, panel: Panel, numbers: Sequence[float]) -> dict[str, Any]:
        """The constituents."""
        return {"constituents": self._read(panel, numbers)[0]}

    def at(
        self, times: np.ndarray, items: np.ndarray, panel: Panel, *, horizon: int, numbers: Sequence[float] = ()
    ) -> np.ndarray:
        """See the base class."""
        names, coefficients = self._read(panel, numbers)
        return _at(TidalBasis(names, self.latitude), times) @ coefficients

    @property
    def _names(self) -> list[str]:
        """The constituents that have a place among the numbers: cosines, sines, and a constant for each target."""
        return self.constituents or candidates()

    def _read(self, panel: Panel, numbers: Sequence[float]) -> tuple[list[str], np.ndarray]:
        """The constituents that were fitted, and the coefficients of their basis, shape (columns, targets)."""
        targets, size = len(panel.of("target")), 2 * len(self._names) + 1
        if len(numbers) != targets * size:
            raise ConfigurationError(
                f"FittedTide: {len(numbers)} fitted numbers, expected {size} for each of {targets} target(s)"
            )
        whole = np.asarray(numbers).reshape(targets, size)
        table = whole[:, :-1].reshape(targets, 2, -1)
        used = np.flatnonzero(table.any(axis=(0, 1))) if self.constituents is None else np.arange(table.shape[-1])
        return [self._names[place] for place in used], np.concatenate(
            [table[..., used].reshape(targets, -1), whole[:, -1:]], axis=1
        ).T

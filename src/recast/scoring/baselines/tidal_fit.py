"""The tide of a record: constituents and their coefficients, by least squares."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Float64, Int64

from recast.data.features.tidal_basis import TidalBasis, fitted, parts_of
from recast.data.features.tidal_choice import chosen_constituents
from recast.errors import DataError


@dataclass(frozen=True, eq=False)
class TidalFit:
    """A constant plus one oscillation for each constituent, for each target separately.

    Args:
        constituents: Their names.
        basis: What they are at any time.
        coefficients: Those of the columns of the basis.
    """

    constituents: list[str]
    basis: TidalBasis
    coefficients: Float64[np.ndarray, "columns targets"]

    @classmethod
    def of(
        cls,
        owner: str,
        times: Int64[np.ndarray, " rows"],
        values: Float[np.ndarray, "rows targets"],
        constituents: Sequence[str] | None,
        latitude: float | None,
    ) -> "TidalFit":
        """Least squares on what was observed.

        Args:
            owner: Whose fit it is, for messages.
            times: Time of each row, since 1970-01-01 UTC. [ms]
            values: The targets, NaN where nothing was observed.
            constituents: Names of constituents; None: chosen on the rows; where none is found, the mean alone.
            latitude: See `TidalBasis`. [degrees]

        Raises:
            DataError: if a target has fewer observations than there are coefficients.
        """
        names = list(constituents or chosen_constituents(times, values, latitude))
        basis = TidalBasis(names, latitude)
        seen = ~np.isnan(values)
        rows = int(seen.sum(axis=0).min())
        if rows < basis.size:
            raise DataError(
                f"{owner}: {rows} training rows, but {len(names)} constituents have {basis.size} coefficients; "
                "use a longer training part or fewer constituents"
            )
        if seen.all():
            return cls(names, basis, fitted(basis, times, values))
        targets = [fitted(basis, times[own], column[own, None]) for own, column in zip(seen.T, values.T, strict=True)]
        return cls(names, basis, np.concatenate(targets, axis=1))

    def at(self, times: Int64[np.ndarray, "*shape"]) -> Float64[np.ndarray, "*shape targets"]:
        """The tide at any array of times, in ms since 1970-01-01 UTC."""
        # Windows overlap: each time is computed once.
        place, found = pd.factorize(times.ravel())
        distinct = np.asarray(found)
        tide = np.empty((len(distinct), self.coefficients.shape[1]))
        for part in parts_of(len(distinct)):
            tide[part] = self.basis.at(distinct[part]) @ self.coefficients
        return tide[place].reshape(*times.shape, -1)

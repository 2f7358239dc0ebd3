"""Tidal constituents chosen on a record, by how well they forecast parts of it that they were not fitted on."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import chain
from operator import add
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from recast.data.features.tidal_basis import MILLISECONDS_PER_HOUR, TidalBasis, parts_of

BLOCKS = 10
FIRST = 5  # blocks of the shortest record that is fitted
GAIN = 1e-3  # of the error: what a constituent must take off
LONGEST = 48.0  # hours: longer ones are lost in the weather of a record of months
SINGULAR = 1e-9  # of a product: two columns that are one


def candidates() -> list[str]:
    """The constituents of UTide with a period of less than two days, in order of their names."""
    from utide import ut_constants

    const = ut_constants.const
    return sorted(name for name, cycles in zip(const.name, const.freq, strict=True) if cycles * LONGEST > 1)


def chosen_constituents(
    milliseconds: Int[np.ndarray, " rows"], values: Float[np.ndarray, "rows targets"], latitude: float | None
) -> list[str]:
    """Constituents for a record, in the order in which they were taken.

    The record is cut into ten blocks of as many rows. A set of constituents is fitted (least squares with a constant)
    on the first five to nine blocks and forecasts the next one, and on the last five to nine and forecasts the one
    before: an error beyond the end of a record, so that what a record is too short to tell apart does harm, which it
    would not between its ends. Beginning with none, the constituent is added that lowers the squared error most, summed
    over targets in units of their variance, as long as it lowers it by a thousandth. One that
    lies within a cycle over the record of a stronger one is taken after that.

    Forward selection by cross-validation (Hastie, Tibshirani & Friedman 2009, "The elements of statistical learning",
    2nd edition, sections 3.3.2 and 7.10); for dependent errors by forecasts of what follows (Bergmeir & Benitez 2012,
    "On the use of cross-validation for time series predictor evaluation", Information Sciences 191).

    Args:
        milliseconds: Times of the rows since 1970-01-01 UTC, in any order. [ms]
        values: Targets, NaN where nothing was observed.
        latitude: For nodal corrections, see `TidalBasis`. [degrees]
    """
    # Rows of several series come one series after another.
    order = np.argsort(milliseconds, kind="stable")
    milliseconds, values = milliseconds[order], values[order]
    names = candidates()
    basis = TidalBasis(names, latitude)
    folds = [fold for target in values.T for fold in _folds(basis, milliseconds, target)]
    count = len(names)
    hidden = _hidden(names, float(milliseconds[-1] - milliseconds[0]) / MILLISECONDS_PER_HOUR)
    chosen: list[int] = []
    if not folds:
        return []
    error = sum(fold.error([2 * count]) for fold in folds)
    rows = min(fold.rows for fold in folds)
    while 2 * len(chosen) + 3 < rows and len(chosen) < count:
        columns = [2 * count, *chain.from_iterable((place, count + place) for place in chosen)]
        errors = np.sum([fold.errors_with_one_more(columns, count) for fold in folds], axis=0)
        # A stronger neighbour that the record does not separate comes first.
        left = np.setdiff1d(np.arange(count), chosen)
        errors[[place for place in range(count) if place in chosen or hidden[place, left].any()]] = np.inf
        best = int(np.argmin(errors))
        if not errors[best] < (1 - GAIN) * error:
            break
        chosen.append(best)
        error = errors[best]
    return [names[place] for place in chosen]


def _hidden(names: Sequence[str], span: float) -> Bool[np.ndarray, "constituents others"]:
    """Whether each constituent is weaker than another that a record of `span` hours does not separate it from.

    Two are separated by a cycle over the record (the criterion of Rayleigh). Strength is the amplitude in the tide of
    an ocean that covers the earth, 0 for constituents of shallow water.
    """
    from utide import constit_index_dict, ut_constants

    places = [constit_index_dict[name] for name in names]
    strength = np.nan_to_num(np.abs(ut_constants.const.doodsonamp[places]))
    cycles = ut_constants.const.freq[places]
    near = np.abs(cycles[:, np.newaxis] - cycles) * span < 1
    return near & (strength[:, np.newaxis] < strength)


@dataclass(frozen=True, eq=False)
class _Products:
    """Sums over rows of products of the basis with itself and with the values, and of the values' squares."""

    gram: np.ndarray
    cross: np.ndarray
    square: float
    rows: int

    def __add__(self, other: "_Products") -> "_Products":
        return _Products(
            self.gram + other.gram, self.cross + other.cross, self.square + other.square, self.rows + other.rows
        )


class _Fold(NamedTuple):
    """What is fitted on some rows, and forecast at others."""

    fitted: _Products
    forecast: _Products

    @property
    def rows(self) -> int:
        return self.fitted.rows

    def error(self, columns: Sequence[int]) -> float:
        """The squared error of a fit of these columns."""
        own = np.ix_(columns, columns)
        weight = np.linalg.solve(self.fitted.gram[own], self.fitted.cross[columns])
        ahead = self.forecast
        return float(ahead.square - 2 * weight @ ahead.cross[columns] + weight @ ahead.gram[own] @ weight)

    def errors_with_one_more(self, columns: Sequence[int], count: int) -> Float[np.ndarray, " candidates"]:
        """The squared errors of fits of these columns, and the cosine and the sine of each candidate; see `error`.

        By block elimination: with G the gram of the columns fitted already, B that of a pair with them, D its own,

            v = (D - B' G^-1 B)^-1 (d - B' G^-1 c),    w = G^-1 (c - B v)
        """
        gram, cross = self.fitted.gram, self.fitted.cross
        pairs = np.arange(count)[:, np.newaxis] + [0, count]
        beside = gram[columns][:, pairs]  # columns, candidates, 2
        inverse = np.linalg.inv(gram[np.ix_(columns, columns)])
        known = inverse @ cross[columns]
        carried = np.tensordot(inverse, beside, axes=1)
        own = gram[pairs[:, :, np.newaxis], pairs[:, np.newaxis]]
        left = own - np.einsum("nki,nkj->kij", beside, carried)
        left += SINGULAR * np.eye(2) * own[:, [0, 1], [0, 1]].mean(axis=1)[:, np.newaxis, np.newaxis]
        asked = cross[pairs] - np.einsum("nki,n->ki", beside, known)
        new = np.linalg.solve(left, asked[..., np.newaxis])[..., 0]
        old = known - np.einsum("nki,ki->kn", carried, new)
        gram, cross = self.forecast.gram, self.forecast.cross
        crossed = old @ cross[columns] + (new * cross[pairs]).sum(axis=1)
        size = (old @ gram[np.ix_(columns, columns)] * old).sum(axis=1)
        size += 2 * np.einsum("kn,nki,ki->k", old, gram[columns][:, pairs], new)
        size += np.einsum("ki,kij,kj->k", new, gram[pairs[:, :, np.newaxis], pairs[:, np.newaxis]], new)
        return self.forecast.square - 2 * crossed + size


def _folds(basis: TidalBasis, milliseconds: np.ndarray, values: np.ndarray) -> list[_Fold]:
    """Those of one target; none where it has too few rows, or does not vary."""
    seen = ~np.isnan(values)
    times, found = milliseconds[seen], values[seen]
    if len(found) < 2 * BLOCKS or not np.ptp(found):
        return []
    found = (found - found.mean()) / found.std()
    blocks = [_products(basis, times[rows], found[rows]) for rows in np.array_split(np.arange(len(found)), BLOCKS)]
    folds = []
    for order in (blocks, blocks[::-1]):
        total = reduce(add, order[:FIRST])
        for block in order[FIRST:]:
            folds.append(_Fold(total, block))
            total = total + block
    return folds


def _products(basis: TidalBasis, times: np.ndarray, values: np.ndarray) -> _Products:
    found = []
    for part in parts_of(len(times)):
        columns, own = basis.at(times[part]), values[part]
        found.append(_Products(columns.T @ columns, columns.T @ own, float(own @ own), len(own)))
    return reduce(add, found)

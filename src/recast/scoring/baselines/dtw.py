"""The nearest neighbour under dynamic time warping."""

import logging
from collections.abc import Callable
from typing import final

import numpy as np
from jaxtyping import Float

from recast.data.panel import Panel
from recast.data.prepare.own_scale import own_scaled
from recast.errors import MisfitError
from recast.options import PositiveInt, Probability, checked
from recast.scoring.baselines.baseline import interpolated
from recast.scoring.baselines.class_baselines import ClassBaseline
from recast.system.distribution import how_to_install

log = logging.getLogger(__name__)

TRIED = 100
"""Training sequences that are classified by the others, to choose the scaling and to estimate the accuracy."""

Distance = Callable[..., float]


@final
class DynamicTimeWarping(ClassBaseline):
    """The class of the nearest training sequence under dynamic time warping (1-NN DTW).

    The distance of sequences a and b is the least over all monotone alignments of their steps, first to first and last
    to last, of

        sqrt(sum over aligned (i, j) of |a_i - b_j|^2),    |i - j| <= window * max(I, J) + |I - J|

    (Sakoe & Chiba 1978, "Dynamic programming algorithm optimization for spoken word recognition"). It is the usual
    benchmark of the UCR and UEA archives (Bagnall et al. 2017, "The great time series classification bake off") and
    reads sequences of any lengths and any number of channels. Values that were not observed are interpolated.

    Sequences are visited by a lower bound of their distance, and a distance is abandoned once it exceeds the least one
    so far; distances by the package dtaidistance. The probability of the class found is the share p of training
    sequences that the others classify rightly (up to 100 of them, evenly spread), (hits + 1) / (tried + 2), but at
    least twice that of each other class; these share the rest.

    Args:
        window: Width of the band on either side, beyond the difference in length; 1: no limit. [share of the longer]
        own_scale: Whether each sequence is standardised by itself, or all by the training part; none: what classifies
            more training sequences rightly.
        most_cells: Steps times steps to align, over all pairs and without abandoning, above which it is left out. A
            cell takes a few nanoseconds, or a tenth of that with abandoning: by default two minutes or so at most.
            [cells]
    """

    @checked
    def __init__(
        self, *, window: Probability = 0.1, own_scale: bool | None = None, most_cells: PositiveInt = 100_000_000_000
    ) -> None:
        self.window = window
        self.own_scale = own_scale
        self.most_cells = most_cells

    def require_affordable(self, training: Panel, scored: Panel) -> None:
        """See the base class."""
        _distance()
        tries = 1 if self.own_scale is not None else 2
        some = training.lengths[_tried(len(training.ids))]
        cells = self._cells(training.lengths, scored.lengths) + tries * self._cells(training.lengths, some)
        if cells > self.most_cells:
            raise MisfitError(
                f"{len(scored.ids)} sequences to compare with {len(training.ids)} make {cells:.1e} cells to align, "
                f"more than most_cells={self.most_cells:.1e}; give a larger one, and time"
            )

    def _cells(self, training: np.ndarray, scored: np.ndarray) -> float:
        """Cells in the bands of all pairs, by their lengths."""
        lengths, counts = np.unique(training, return_counts=True)
        total = 0.0
        for length in scored.astype(np.float64):
            shorter, longer = np.minimum(lengths, length), np.maximum(lengths, length)
            widths = np.minimum(2 * self.window * longer + longer - shorter + 1, longer)
            total += float((counts * shorter * widths).sum())
        return total

    def fit(self, sequences: Panel) -> None:
        """See the base class.

        Raises:
            MisfitError: if the package is not installed.
        """
        self._distance = _distance()
        self._classes = len(sequences.classes)
        self._labels = sequences.labels
        values = sequences.values
        self._otherwise = np.nan_to_num(np.nanmean(values, axis=0)) if len(values) else np.zeros(values.shape[1])
        spread = np.nan_to_num(np.nanstd(values, axis=0)) if len(values) else self._otherwise
        self._scale = np.where(spread > 0, spread, 1.0)
        tried = _tried(len(self._labels))
        hits = {}
        for own in (False, True) if self.own_scale is None else (self.own_scale,):
            self._neighbours = self._scaled(sequences, own)
            nearest = [self._nearest(self._neighbours[place], without=place) for place in tried.tolist()]
            hits[own] = int((self._labels[nearest] == self._labels[tried]).sum())
        # On ties the sizes are kept: they are data.
        self._own = max(hits, key=lambda own: hits[own])
        self._neighbours = self._scaled(sequences, self._own)
        self._right = max((hits[self._own] + 1) / (len(tried) + 2), 2 / (self._classes + 1))
        if self.own_scale is None:
            log.info(
                "DynamicTimeWarping: of %d training sequences the others classify %d rightly as they are, %d scaled by "
                "themselves (own_scale=%s)",
                *(len(tried), hits[False], hits[True], str(self._own).lower()),
            )

    def probabilities(self, sequences: Panel) -> Float[np.ndarray, "sequences classes"]:
        """See the base class."""
        found = np.full((len(sequences.ids), self._classes), (1 - self._right) / (self._classes - 1))
        nearest = [self._nearest(sequence) for sequence in self._scaled(sequences, self._own)]
        found[np.arange(len(found)), self._labels[nearest]] = self._right
        return found

    def _scaled(self, sequences: Panel, own: bool) -> list[np.ndarray]:
        values = own_scaled(sequences).values if own else (sequences.values - self._otherwise) / self._scale
        nothing = np.zeros(values.shape[1])
        return [np.ascontiguousarray(interpolated(values[first:stop], nothing)) for first, stop in sequences.pieces]

    def _nearest(self, sequence: np.ndarray, without: int | None = None) -> int:
        """The place of the nearest training sequence; the first one on ties."""
        ends = np.array([[other[0], other[-1]] for other in self._neighbours])
        # First and last steps are always aligned; of two sequences of one step each they are the same pair.
        bounds = np.sqrt(((ends - sequence[[0, -1]]) ** 2).sum(axis=2).max(axis=1))
        best, found = np.inf, 0
        for place in np.argsort(bounds, kind="stable").tolist():
            if bounds[place] > best:
                break
            if place == without:
                continue
            other = self._neighbours[place]
            # The package's window counts the diagonal.
            window = int(self.window * max(len(sequence), len(other))) + 1
            options = {} if np.isinf(best) else {"max_dist": best}
            distance = self._distance(sequence, other, window=window, **options)
            if (distance, place) < (best, found) or np.isinf(best):
                best, found = distance, place
        return found


def _tried(count: int) -> np.ndarray:
    """The places of at most `TRIED` of `count` sequences, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, TRIED)).round().astype(np.int64))


def _distance() -> Distance:
    """The package's function.

    Raises:
        MisfitError: if it is not installed.
    """
    try:
        from dtaidistance import dtw_ndim
    except ImportError as error:
        raise MisfitError(f"it needs the package dtaidistance: {how_to_install('dtw')}") from error
    return dtw_ndim.distance_fast

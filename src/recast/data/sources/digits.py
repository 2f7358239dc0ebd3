"""Handwritten digits, read pixel by pixel."""

from typing import Annotated, final

import numpy as np
from annotated_types import Ge, Le

from recast.data.panel import Column, Panel
from recast.data.sources.source import SequenceSource
from recast.data.sources.ts_file import LABEL, TsSource
from recast.options import NonNegativeInt, checked
from recast.system.distribution import naming_extras

IMAGES = 1797
DARKEST = 16.0


@final
class Digits(SequenceSource):
    """Which digit an image of 8 x 8 pixels shows, one pixel a step: 64 steps of the darkness, from 0 to 1.

    A small form of sequential MNIST (Le, Jaitly & Hinton 2015, arXiv 1504.00941, section 4.2): lines are read from the
    top, from left to right, and the digit is asked for at the end. With `permuted` all images are read in one random
    order of pixels, so that neighbours in the image are far apart in time, and memory must be long. The images are the
    1,797 of `sklearn.datasets.load_digits` (Alpaydin & Kaynak 1998, the UCI test set of "Optical recognition of
    handwritten digits"), which come with scikit-learn.

    Args:
        test: Images to test on, chosen at random; the others are to train on.
        permuted: Whether pixels are read in a random order.
        seed: Of this order, and of the choice.

    Raises:
        MissingPackageError: in `read`, if scikit-learn is not installed.
    """

    @checked
    def __init__(
        self, *, test: Annotated[int, Ge(1), Le(IMAGES - 1)] = 360, permuted: bool = False, seed: NonNegativeInt = 0
    ) -> None:
        self.test = test
        self.permuted = permuted
        self.seed = seed

    @naming_extras()
    def read(self) -> tuple[Panel, Panel]:
        """See the base class."""
        from sklearn.datasets import load_digits

        pixels, labels = map(np.asarray, load_digits(return_X_y=True))
        random = np.random.default_rng(self.seed)
        chosen = random.permutation(len(pixels))
        if self.permuted:
            pixels = pixels[:, random.permutation(pixels.shape[1])]
        test, train = chosen[: self.test], chosen[self.test :]
        return self._part(pixels[train], labels[train], "train"), self._part(pixels[test], labels[test], "test")

    def read_file(self, path: str, classes: tuple[str, ...]) -> Panel:
        """The sequences of a `.ts` file of one dimension, pixels in the same order; see `TsSource`."""
        return TsSource(path=path, test_path=path, names=["darkness"], units=[""]).read_file(path, classes)

    def _part(self, pixels: np.ndarray, labels: np.ndarray, part: str) -> Panel:
        count, steps = pixels.shape
        order = "permuted" if self.permuted else "by lines"
        return Panel(
            columns=(Column("darkness", "", "past"),),
            values=pixels.reshape(-1, 1) / DARKEST,
            starts=np.arange(count, dtype=np.int64) * steps,
            label=f"Digits({order}, seed={self.seed}), {part}",
            items=np.arange(count, dtype=np.int64),
            static=(Column(LABEL, role="target", levels=tuple(map(str, range(10)))),),
            static_values=labels[:, None].astype(np.float64),
        )

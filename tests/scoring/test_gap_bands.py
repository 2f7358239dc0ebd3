"""Bands of filled values: distances by hand, coverage on exchangeable errors, and what a checkpoint may hold."""

import numpy as np
import pytest
import torch

from recast.errors import ConfigurationError
from recast.scoring.calibration.gap_bands import FEWEST, GapBands, distances


def nearest(observed: np.ndarray) -> np.ndarray:
    """By trying all observations."""
    steps = len(observed)
    found = np.full(observed.shape, steps)
    for column in range(observed.shape[1]):
        places = np.flatnonzero(observed[:, column])
        for step in range(steps):
            if len(places):
                found[step, column] = np.abs(places - step).min()
    return found


def test_distances_are_those_to_the_nearest_observation():
    observed = np.random.default_rng(0).random((40, 12, 3)) < 0.25
    observed[0] = False
    observed[1] = True
    assert np.array_equal(distances(observed), np.stack([nearest(window) for window in observed]))


def made(values: int, seed: int, farthest: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Errors that grow with the distance, of two targets in different units, a third of them not removed."""
    random = np.random.default_rng(seed)
    distance = random.integers(1, farthest + 1, (values, 2))
    errors = np.abs(random.normal(size=(values, 2))) * distance * [1.0, 100.0]
    errors[random.random(errors.shape) < 1 / 3] = np.nan
    return errors, distance


def test_bands_hold_the_truth_as_often_as_they_say_at_every_distance():
    bands = GapBands.of(*made(40_000, seed=0))
    assert bands is not None
    assert bands.reach == (1, 2, 4, 8)
    errors, distance = made(40_000, seed=1)
    levels = [0.5, 0.8, 0.95]
    half = bands.half_widths(distance, levels)
    for low, high in ((1, 1), (2, 2), (3, 4), (5, 8)):
        for target in range(2):
            chosen = (distance[:, target] >= low) & (distance[:, target] <= high) & ~np.isnan(errors[:, target])
            inside = (errors[chosen, target] <= half[:, chosen, target]).mean(axis=1)
            assert inside == pytest.approx(levels, abs=0.025)
    # An observation needs none; what lies farther than any has that of the last class.
    ends = bands.half_widths(np.array([[0, 0], [8, 8], [500, 500]]), [0.8])[0]
    assert (ends[0] == 0).all()
    assert np.array_equal(ends[1], ends[2])
    assert ends[2, 1] > 50 * ends[2, 0] > 0


def test_a_rare_distance_has_no_class_of_its_own():
    errors, distance = made(1_000, seed=0, farthest=4)
    distance[:3] = 30
    errors[:3] = 7.0
    bands = GapBands.of(errors, distance)
    assert bands is not None
    assert bands.reach == (1, 2, 30)


def test_too_few_values_make_no_bands():
    errors, distance = made(FEWEST, seed=0, farthest=1)
    assert GapBands.of(errors, distance) is None
    assert GapBands.of(np.full((300, 2), np.nan), np.ones((300, 2), dtype=np.int64)) is None


def test_a_level_that_the_errors_cannot_tell_is_refused():
    errors, distance = made(120, seed=0, farthest=1)
    bands = GapBands.of(errors, distance)
    assert bands is not None
    fewest = (~np.isnan(errors)).sum(axis=0).min()
    assert bands.most <= fewest / (fewest + 1)
    assert np.isfinite(bands.half_widths(distance, [bands.most])).all()
    with pytest.raises(ConfigurationError, match=r"too few for a band of 0\.999; the highest level is 0\.9"):
        bands.half_widths(distance, [0.5, 0.999])


def test_a_checkpoint_keeps_them():
    bands = GapBands.of(*made(2_000, seed=0))
    assert bands is not None
    again = GapBands.restored(bands.to_dict(), 2)
    assert again.reach == bands.reach
    assert torch.equal(again.table.values, bands.table.values)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda held: held | {"more": 1}, "expected reach and errors"),
        (lambda held: held | {"reach": []}, "ascending numbers of steps"),
        (lambda held: held | {"reach": [2, 1]}, "ascending numbers of steps"),
        (lambda held: held | {"reach": [True, 2, 4, 8]}, "ascending numbers of steps"),
        (lambda held: held | {"reach": [1, 2]}, "do not fit"),
        (lambda held: held | {"errors": held["errors"].float()}, "no table of scores"),
        (list, "expected reach and errors"),
    ],
)
def test_a_checkpoint_that_holds_something_else_is_refused(change, said):
    bands = GapBands.of(*made(2_000, seed=0))
    assert bands is not None
    with pytest.raises(ConfigurationError, match=said):
        GapBands.restored(change(bands.to_dict()), 2)

"""The start of training on a panel of many items: time and memory grow with its rows, not faster."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
from panel_size import SCALERS, measure


@pytest.mark.slow
@pytest.mark.parametrize("scaler", sorted(SCALERS))
@pytest.mark.parametrize("sample", ["window", "item"])
def test_four_times_the_items_take_four_times_the_time(scaler: str, sample: str):
    """By ratio, in processor time: a cost that grows with the square would take 16 times as much."""
    measure(50, 200, SCALERS[scaler], sample)  # imports and compilation
    few, many = (measure(items, 1000, SCALERS[scaler], sample) for items in (500, 2000))
    assert many.processor < 8 * few.processor
    assert many.beyond < 4 * many.data

"""Baselines of imputation against pandas."""

import numpy as np
import pandas as pd
import pytest

from recast.data.panel import Panel, columns_of
from recast.errors import DataError, RecastError
from recast.scoring.baselines.gap_baselines import FillLast, FillLinear, FillMean, GapBaseline

WINDOWS, STEPS, TARGETS = 20, 15, 3


@pytest.fixture
def training() -> Panel:
    values = np.random.default_rng(0).normal(5, 2, (100, TARGETS))
    values[::7, 1] = np.nan
    return Panel(columns_of(targets=["a", "b", "c"]), values, np.zeros(1, dtype=np.int64), "made")


@pytest.fixture
def windows() -> np.ndarray:
    random = np.random.default_rng(1)
    values = random.normal(size=(WINDOWS, STEPS, TARGETS))
    values[random.random(values.shape) < 0.6] = np.nan
    values[3, :, 1] = np.nan
    values[4] = np.nan
    return values


def with_pandas(name: str, window: pd.DataFrame, means: pd.Series) -> pd.DataFrame:
    filled = {
        "mean": lambda: window,
        "last": lambda: window.ffill().bfill(),
        "linear": lambda: window.interpolate(limit_direction="both"),
    }[name]()
    return filled.fillna(means)


@pytest.mark.parametrize(("baseline", "name"), [(FillMean(), "mean"), (FillLast(), "last"), (FillLinear(), "linear")])
def test_it_fills_as_pandas_does(baseline: GapBaseline, name, training, windows):
    means = pd.DataFrame(training.values).mean()
    with pytest.raises(RecastError, match="not fitted"):
        baseline.fill(windows)
    before = windows.copy()
    baseline.fit(training)
    found = baseline.fill(windows)
    assert np.array_equal(windows, before, equal_nan=True)
    for window, filled in zip(windows, found, strict=True):
        assert filled == pytest.approx(with_pandas(name, pd.DataFrame(window), means).to_numpy(), abs=1e-12)
    assert found[~np.isnan(windows)] == pytest.approx(windows[~np.isnan(windows)], abs=0)


def test_a_column_that_was_never_observed_is_named(training):
    training.values[:, 2] = np.nan
    with pytest.raises(DataError, match="'c' was never observed"):
        FillMean().fit(training)

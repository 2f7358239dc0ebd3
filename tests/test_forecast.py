"""A forecast: what it knows at any level, its central intervals, and the data's unit."""

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recast.types import Forecast

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


def normal() -> Forecast:
    """Quantiles of normal distributions, shape (5, 2, 3, 1)."""
    location = torch.arange(6, dtype=torch.float64).reshape(2, 3, 1)
    quantiles = torch.tensor(scipy.stats.norm.ppf(LEVELS)).reshape(-1, 1, 1, 1) + location
    return Forecast(location, quantiles=quantiles, levels=LEVELS)


def drawn(members: int, seed: int = 0) -> Forecast:
    samples = torch.randn(members, 2, 3, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return Forecast(samples.mean(0), samples)


def test_a_point_knows_no_quantiles():
    forecast = Forecast(torch.zeros(2, 3, 1))
    assert forecast.quantiles_at([0.5]) is None
    assert forecast.interval(0.9) is None


@pytest.mark.parametrize(("level", "places"), [(0.9, (0, 4)), (0.5, (1, 3))])
def test_an_interval_between_known_levels_is_theirs(level, places):
    forecast = normal()
    band = forecast.interval(level)
    assert band is not None
    for end, place in zip(band, places, strict=True):
        assert torch.equal(end, forecast.quantiles[place])


def test_quantiles_between_known_levels_are_joined_linearly():
    forecast = normal()
    found = forecast.quantiles_at([0.1, 0.5, 0.6])
    known = forecast.quantiles.numpy()
    assert found.shape == (3, 2, 3, 1)
    np.testing.assert_allclose(found[0], 0.75 * known[0] + 0.25 * known[1], rtol=1e-12)
    np.testing.assert_array_equal(found[1], known[2])
    np.testing.assert_allclose(found[2], 0.6 * known[2] + 0.4 * known[3], rtol=1e-12)


@pytest.mark.parametrize("level", [0.91, 0.99])
def test_nothing_is_known_beyond_the_outermost_quantile(level):
    assert normal().interval(level) is None


@settings(max_examples=40, deadline=None)
@given(members=st.integers(19, 60), level=st.floats(0.01, 0.9), seed=st.integers(0, 2**32 - 1))
def test_quantiles_of_samples_are_those_of_definition_6(members, level, seed):
    forecast = drawn(members, seed)
    band = forecast.interval(level)
    assert band is not None
    expected = np.quantile(forecast.samples.numpy(), [(1 - level) / 2, (1 + level) / 2], axis=0, method="weibull")
    np.testing.assert_allclose(torch.stack(band).numpy(), expected, rtol=1e-9, atol=1e-9)


def test_nineteen_samples_give_a_band_of_nine_tenths_and_no_wider_one():
    forecast = drawn(19)
    lower, upper = forecast.interval(0.9)
    assert torch.equal(lower, forecast.samples.min(dim=0).values)
    assert torch.equal(upper, forecast.samples.max(dim=0).values)
    assert forecast.interval(0.92) is None
    assert drawn(18).interval(0.9) is None


def test_quantiles_come_before_samples():
    both = normal()._replace(samples=drawn(50).samples)
    assert torch.equal(both.quantiles_at([0.5])[0], both.quantiles[2])


def test_all_values_are_brought_to_the_unit_of_each_target():
    offset, scale = torch.tensor([3.0, -1.0]), torch.tensor([2.0, 10.0])
    mean = torch.ones(1, 2, 2)
    forecast = Forecast(mean, mean.expand(4, -1, -1, -1), mean.expand(2, -1, -1, -1) * 2, (0.2, 0.5))
    found = forecast.in_unit(offset, scale)
    expected = torch.tensor([5.0, 9.0])
    assert torch.equal(found.mean, expected.expand(1, 2, 2))
    assert torch.equal(found.samples, expected.expand(4, 1, 2, 2))
    assert torch.equal(found.quantiles, torch.tensor([7.0, 19.0]).expand(2, 1, 2, 2))
    assert found.levels == forecast.levels

"""Block bootstrap of shares against closed forms."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast.errors import ConfigurationError, DataError
from recast.report.statistics.block_bootstrap import Share, block_length, shares
from recast.report.statistics.long_run_variance import autocovariances

HORIZON = 8


def hits(origins: int, level: float = 0.8, seed: int = 0) -> np.ndarray:
    """How many of eight leads the bands of a random walk hold from each origin."""
    walk = np.random.default_rng(seed).normal(size=origins + HORIZON).cumsum()
    ahead = np.arange(1, HORIZON + 1)
    quantile = {0.8: 1.2815515655446004, 0.5: 0.6744897501960817}[level]
    error = walk[np.arange(origins)[:, None] + ahead] - walk[:origins, None]
    return (np.abs(error) <= quantile * np.sqrt(ahead)).sum(axis=1)


def share_of(parts: np.ndarray, wholes: np.ndarray | None = None, block: int = 24, **options: float) -> Share:
    whole = np.full_like(parts, HORIZON) if wholes is None else wholes
    (found,) = shares(parts[:, None], whole[:, None], block, **options)
    return found


def circular_bartlett(series: np.ndarray, block: int) -> float:
    """Variance of the mean of a series resampled in circular blocks: exact where n is a multiple of them."""
    centred, n = series - series.mean(), len(series)
    gamma = [centred @ np.roll(centred, lag) / n for lag in range(block)]
    weights = 1 - np.arange(block) / block
    return (gamma[0] + 2 * weights[1:] @ np.array(gamma[1:])) / n


@pytest.mark.parametrize("block", [1, 8, 24])
def test_the_error_is_the_closed_form_of_circular_blocks(block):
    found = hits(960)
    share = share_of(found, block=block)
    assert share.value == pytest.approx(found.mean() / HORIZON, rel=1e-12)
    # 999 replicates know a deviation to 2.2 %.
    assert share.standard_error == pytest.approx(math.sqrt(circular_bartlett(found / HORIZON, block)), rel=0.07)


def test_the_error_nears_that_of_the_autocovariances_of_overlapping_windows():
    """The long-run variance of the Diebold-Mariano test, all lags at full weight, on a long record."""
    found = hits(20_000) / HORIZON
    gamma = autocovariances(found, 3 * HORIZON)
    full = math.sqrt((gamma[0] + 2 * gamma[1:].sum()) / len(found))
    share = share_of(hits(20_000), block=block_length(HORIZON))
    independent = found.std() / math.sqrt(len(found))
    assert share.standard_error == pytest.approx(full, rel=0.15)
    assert share.standard_error > 1.5 * independent


def test_independent_origins_have_the_binomial_error():
    inside = np.random.default_rng(0).random(4000) < 0.9
    share = share_of(inside.astype(int), np.ones(4000, dtype=int), block=1)
    assert share.standard_error == pytest.approx(math.sqrt(share.value * (1 - share.value) / 4000), rel=0.07)
    low, high = share.interval
    assert low == pytest.approx(share.value - 1.96 * share.standard_error, abs=0.001)
    assert high == pytest.approx(share.value + 1.96 * share.standard_error, abs=0.001)


def test_a_right_share_is_rarely_off_and_a_wrong_one_mostly():
    """Independent windows counted as what they are would be off in half of the cases."""
    parts = np.stack([hits(20 * 24, seed=seed) for seed in range(300)], axis=1)
    found = shares(parts, np.full_like(parts, HORIZON), block_length(HORIZON))
    assert np.mean([share.differs(0.8) for share in found]) < 0.11
    assert np.mean([share.differs(0.6) for share in found]) > 0.95
    alone = shares(parts, np.full_like(parts, HORIZON), 1)
    assert np.mean([share.differs(0.8) for share in alone]) > 0.3


def test_columns_and_origins_with_few_truths_count_as_many_as_they_have():
    rng = np.random.default_rng(0)
    wholes = rng.integers(0, 9, size=(600, 2))
    parts = rng.binomial(wholes, 0.7)
    both = shares(parts, wholes, 5)
    for column, share in enumerate(both):
        assert share.value == pytest.approx(parts[:, column].sum() / wholes[:, column].sum(), rel=1e-12)
        (alone,) = shares(parts[:, [column]], wholes[:, [column]], 5)
        assert share.interval == pytest.approx(alone.interval, rel=1e-9)
        total = wholes[:, column].sum()
        assert share.standard_error == pytest.approx(math.sqrt(0.7 * 0.3 / total), rel=0.2)


def test_few_blocks_say_nothing():
    share = share_of(hits(100), block=24)
    assert not share.enough
    assert share.value > 0
    assert math.isnan(share.standard_error)
    assert not share.differs(0.0)


@pytest.mark.parametrize("value", [0, 1])
def test_bands_that_hold_everything_or_nothing_have_the_interval_of_that_many_trials(value):
    share = share_of(np.full(240, value * HORIZON))
    assert share.interval == pytest.approx((0.025**0.1, 1.0) if value else (0.0, 1 - 0.025**0.1))
    assert share.differs(0.95) == (value == 0)
    assert share.differs(0.5)


def test_of_nothing_there_is_no_share():
    share = share_of(np.zeros(240, dtype=int), np.zeros(240, dtype=int))
    assert math.isnan(share.value)
    assert not share.differs(0.5)


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=60),
    st.integers(1, 12),
    st.floats(0.01, 0.5),
)
def test_the_interval_holds_the_share_and_lies_between_0_and_1(counts, block, alpha):
    parts, others = np.array(counts).T
    (share,) = shares(parts[:, None], (parts + others)[:, None], block, alpha=alpha)
    if share.enough and share.value == share.value:
        low, high = share.interval
        assert 0 <= low <= share.value + 1e-12
        assert share.value - 1e-12 <= high <= 1


@pytest.mark.parametrize(("horizon", "stride", "block"), [(1, 1, 3), (100, 1, 300), (24, 24, 3), (24, 10, 9)])
def test_a_block_spans_three_horizons(horizon, stride, block):
    assert block_length(horizon, stride) == block


def test_wrong_input_is_refused():
    with pytest.raises(ConfigurationError, match="at least 1 step"):
        block_length(0)
    with pytest.raises(ConfigurationError, match="at least 1 origin"):
        share_of(hits(100), block=0)
    with pytest.raises(DataError, match="between 0 and their wholes"):
        share_of(np.full(3, 9))

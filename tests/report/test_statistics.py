"""The statistics of the report: against R, statsmodels, published examples, enumeration, and by simulation."""

import dataclasses
import gc
import itertools
import json
import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from recast.errors import ConfigurationError, DataError
from recast.report.statistics.attainable import (
    pairs_needed,
    seeds_needed,
    smallest_friedman_p,
    smallest_paired_p,
    smallest_unpaired_p,
)
from recast.report.statistics.diebold_mariano import diebold_mariano, overlap_lags
from recast.report.statistics.holm import holm
from recast.report.statistics.interval import mean_interval
from recast.report.statistics.long_run_variance import long_run_variance
from recast.report.statistics.paired import paired_comparison
from recast.report.statistics.rank_sums import rank_sum_p
from recast.report.statistics.ranking import blocks_needed, friedman_nemenyi, iman_davenport, nemenyi_difference
from recast.report.statistics.signed_ranks import rank_correlation, signed_rank_p
from recast.report.statistics.unpaired import unpaired_comparison
from recast.report.statistics.wording import number

few_numbers = st.lists(st.integers(-20, 20).map(float), min_size=2, max_size=9)
seldom = settings(max_examples=25, deadline=None)


def moving_sums(rng: np.random.Generator, n: int, lags: int) -> np.ndarray:
    """A series whose autocovariances vanish beyond `lags`, of mean 0."""
    sums = np.concatenate([[0], np.cumsum(rng.standard_normal(n + lags))])
    return sums[lags + 1 :] - sums[: -lags - 1]


# --- Diebold-Mariano

# Errors in closed form, i = 1 ... n, so that R's numbers can be had again: R 4.2.2, forecast 8.20,
#   i <- 1:n
#   dm.test(sin(0.7*i) + 0.3*cos(2.1*i) + 0.2*sin(i*i),
#           0.9*sin(0.7*i+0.2) - 0.25*cos(1.3*i) + 0.1 + 0.3*cos(i*i), h=h, power=2, varestimator="acf")
R_DM_TEST = [
    (40, 1, 0.551601735519, 0.584368196029),
    (40, 2, 0.576988449443, 0.567263155775),
    (40, 3, 0.667918159938, 0.508119478202),
    (40, 5, 0.654859227693, 0.516402357788),
    (40, 10, 1.654336083671, 0.106086785655),
    (120, 1, 0.768126961767, 0.443933362050),
    (120, 2, 0.761983441753, 0.447577480374),
    (120, 3, 0.951479105502, 0.343289762400),
    (120, 5, 1.006246189077, 0.316338864735),
    (120, 10, 0.889740668003, 0.375400321497),
]


@pytest.mark.parametrize(("n", "h", "statistic", "p"), R_DM_TEST)
def test_diebold_mariano_is_that_of_r(n, h, statistic, p):
    i = np.arange(1, n + 1, dtype=np.float64)
    first = np.sin(0.7 * i) + 0.3 * np.cos(2.1 * i) + 0.2 * np.sin(i * i)
    second = 0.9 * np.sin(0.7 * i + 0.2) - 0.25 * np.cos(1.3 * i) + 0.1 + 0.3 * np.cos(i * i)
    result = diebold_mariano(first**2, second**2, h - 1)
    assert result.kernel == "rectangular"
    assert result.statistic == pytest.approx(statistic, abs=1e-11)
    assert result.p_value == pytest.approx(p, abs=1e-11)


# The same call of R with varestimator="bartlett", for errors whose plain variance is not positive:
#   dm.test(sin(0.7*i) + 0.3*cos(2.1*i), 0.9*sin(0.7*i+0.2) - 0.25*cos(1.3*i) + 0.1, h=h, power=2, ...), i = 1 ... 40
@pytest.mark.parametrize(
    ("h", "statistic", "p"), [(4, 1.565235357076, 0.125606802213), (8, 1.752037491671, 0.087627790038)]
)
def test_a_variance_that_is_not_positive_falls_back_to_bartlett_as_in_r_and_is_told(h, statistic, p):
    i = np.arange(1, 41, dtype=np.float64)
    first = (np.sin(0.7 * i) + 0.3 * np.cos(2.1 * i)) ** 2
    second = (0.9 * np.sin(0.7 * i + 0.2) - 0.25 * np.cos(1.3 * i) + 0.1) ** 2
    result = diebold_mariano(first, second, h - 1)
    assert result.kernel == "Bartlett"
    assert (result.statistic, result.p_value) == pytest.approx((statistic, p), abs=1e-11)
    assert not result.enough
    assert not result.significant
    assert "nothing can be said" in result.conclusion
    # Long enough, and yet not positive: an alternating series.
    long = np.tile([0.0, 1.0], 100) + 0.001 * np.arange(200)
    assert "Bartlett weights" in diebold_mariano(long, np.full(200, 0.4), 1).conclusion


@pytest.mark.parametrize("lags", [0, 1, 4])
def test_variances_are_those_of_statsmodels(lags):
    d = 0.1 + moving_sums(np.random.default_rng(0), 80, lags)
    result = diebold_mariano(d, np.zeros(80), lags)
    options = {"maxlags": lags, "use_correction": False}
    fit = sm.OLS(d, np.ones(80)).fit(cov_type="HAC", cov_kwds={**options, "kernel": lambda lags: np.ones(lags + 1)})
    n, h = 80, lags + 1
    shrink = math.sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n)
    assert result.statistic == pytest.approx(fit.tvalues[0] * shrink, rel=1e-9)
    # Where neighbours take turns the plain sum is negative, and Bartlett's weights are Newey and West's.
    turns = (-1.0) ** np.arange(80) + 0.01 * d
    found = long_run_variance(turns, 2 * lags + 1)
    options["maxlags"] = 2 * lags + 1
    newey_west = sm.OLS(turns, np.ones(80)).fit(cov_type="HAC", cov_kwds=options)
    assert found.kernel == "Bartlett"
    assert found.value == pytest.approx(80 * newey_west.bse[0] ** 2, rel=1e-9)


def test_without_lags_it_is_the_t_test():
    rng = np.random.default_rng(1)
    a, b = rng.random(30), rng.random(30)
    result, expected = diebold_mariano(a, b, 0), stats.ttest_rel(a, b)
    assert result.statistic == pytest.approx(expected.statistic, rel=1e-12)
    assert result.p_value == pytest.approx(expected.pvalue, rel=1e-12)
    assert result.interval == pytest.approx(tuple(expected.confidence_interval(0.95)), rel=1e-9)


@pytest.mark.parametrize(
    ("horizon", "stride", "lags"), [(1, 1, 0), (100, 1, 99), (100, 100, 0), (100, 50, 1), (100, 30, 3), (3, 7, 0)]
)
def test_lags_are_how_far_forecasts_overlap(horizon, stride, lags):
    assert overlap_lags(horizon, stride) == lags
    # By counting: origin 0 forecasts steps 1 ... horizon.
    shared = [j for j in range(1, 200) if j * stride + 1 <= horizon]
    assert len(shared) == lags


@seldom
@given(st.integers(0, 2**32 - 1), st.integers(0, 3), st.floats(-5, 5))
def test_diebold_mariano_is_symmetric_and_sees_differences_only(seed, lags, shift):
    rng = np.random.default_rng(seed)
    a, b = rng.random((2, 60))
    result, swapped = diebold_mariano(a, b, lags), diebold_mariano(b, a, lags)
    assert (swapped.statistic, swapped.p_value) == pytest.approx((-result.statistic, result.p_value), rel=1e-9)
    moved = diebold_mariano(a + shift, b + shift, lags)
    assert moved.statistic == pytest.approx(result.statistic, rel=1e-6)
    scaled = diebold_mariano(7 * a, 7 * b, lags)
    assert scaled.statistic == pytest.approx(result.statistic, rel=1e-9)


def rejections(n: int, lags: int, series: int, counted: int) -> float:
    rng = np.random.default_rng(0)
    results = [diebold_mariano(moving_sums(rng, n, lags), np.zeros(n), counted) for _ in range(series)]
    return float(np.mean([result.p_value <= 0.05 for result in results]))


def test_size_at_the_rule_and_what_ignoring_the_overlap_would_do():
    # The docstring's table: 9 % at ten times lags + 1; a tiny run of it, +- 3 standard errors.
    assert 0.03 <= rejections(50, 4, 400, counted=4) <= 0.14
    assert rejections(50, 4, 400, counted=0) > 0.3


def test_too_few_origins_say_nothing():
    rng = np.random.default_rng(0)
    a, b = moving_sums(rng, 99, 9) + 100, np.zeros(99)
    result = diebold_mariano(a, b, 9, names=("gru", "lstm"))
    assert result.p_value is not None
    assert result.p_value < 0.05
    assert not result.significant
    assert result.needed == 100
    assert result.conclusion.startswith("gru against lstm over 99 origins: nothing can be said")
    assert "at least 100 origins are needed" in result.conclusion


@pytest.mark.parametrize("lags", [4, 5, 6, 40])
def test_as_many_lags_as_origins_leave_nothing_to_compute(lags):
    result = diebold_mariano([1.0, 2.0, 4.0, 3.0, 7.0], [0.0] * 5, lags)
    assert (result.statistic, result.p_value, result.standard_error, result.interval) == (None, None, None, None)
    assert "nothing can be said" in result.conclusion
    assert json.dumps(dataclasses.asdict(result) | {"remaining_limit": None})


def test_words_name_the_better_one_and_the_doubt():
    rng = np.random.default_rng(3)
    noise = moving_sums(rng, 150, 9)
    close = diebold_mariano(noise - 20, np.zeros(150), 9, names=("gru", "lstm"))
    assert close.significant
    assert close.conclusion.startswith("gru is better than lstm over 150 origins")
    assert "in up to 10 % of cases" in close.conclusion
    worse = diebold_mariano(rng.random(300) + 1, np.zeros(300), 0, names=("gru", "lstm"))
    assert worse.conclusion.startswith("lstm is better than gru")
    assert "up to 10 %" not in worse.conclusion
    alike = diebold_mariano(np.tile([1.0, -1.0, 0.5, -0.5], 30), np.zeros(120), 0)
    assert "does not show that there is none" in alike.conclusion


def test_correlation_beyond_the_lags_forbids_a_claim():
    rng = np.random.default_rng(0)
    d = np.zeros(500)
    for t in range(1, 500):
        d[t] = 0.95 * d[t - 1] + rng.standard_normal()
    result = diebold_mariano(d + 3, np.zeros(500), 2)
    assert result.p_value is not None
    assert result.p_value < 0.05
    assert not result.overlap_explains
    assert not result.significant
    assert "still correlated" in result.conclusion
    # And is seldom seen where there is none: 1 % of series, at most 5 of 200 here.
    clean = [diebold_mariano(moving_sums(rng, 120, 2), np.zeros(120), 2) for _ in range(200)]
    assert sum(not one.overlap_explains for one in clean) <= 5


@pytest.mark.parametrize(
    ("a", "b", "lags", "message"),
    [
        ([1.0, 2.0, 3.0], [1.0, 2.0], 0, "loss of a has 3 values and loss of b 2; pairs must be complete"),
        ([1.0, math.nan], [1.0, 2.0], 0, "loss of a: value 2 of 2 is nan"),
        ([1.0, 2.0], [math.inf, 2.0], 0, "loss of b: value 1 of 2 is inf"),
        ([1.0], [1.0], 0, "loss of a has 1 values, at least 2"),
        ([[1.0, 2.0]], [1.0, 2.0], 0, r"loss of a has shape \(1, 2\), expected one dimension"),
        ([1.0, 2.0, 3.0], [0.9, 1.9, 2.9], 0, "differ by 0.1 at each of 3 origins: without variance"),
        ([1.0, 2.0], [1.0, 2.0], 0, "are they the same forecast"),
    ],
)
def test_losses_that_cannot_be_tested(a, b, lags, message):
    with pytest.raises(DataError, match=message):
        diebold_mariano(np.array(a), np.array(b), lags)


def test_wrong_levels_and_lags():
    for call in (
        lambda: diebold_mariano([1.0, 2.0], [2.0, 1.0], 0, alpha=5.0),
        lambda: paired_comparison([1.0], [2.0], alpha=0.0),
        lambda: unpaired_comparison([1.0, 2.0], [2.0, 1.0], alpha=1.0),
        lambda: holm([0.1], alpha=-1.0),
        lambda: friedman_nemenyi(np.ones((3, 2)), ["a", "b"], alpha=2.0),
    ):
        with pytest.raises(ConfigurationError, match=r"alpha=.*between 0 and 1"):
            call()
    with pytest.raises(ConfigurationError, match="lags=-1"):
        diebold_mariano([1.0, 2.0], [2.0, 1.0], -1)
    with pytest.raises(ConfigurationError, match="horizon=0"):
        overlap_lags(0)
    with pytest.raises(ConfigurationError, match="stride=0"):
        overlap_lags(1, 0)
    with pytest.raises(ConfigurationError, match="comparisons=0"):
        paired_comparison([1.0], [2.0], comparisons=0)


# --- Pairs


def enumerated_signed_rank_p(differences: np.ndarray) -> float:
    kept = differences[differences != 0]
    if not len(kept):
        return 1.0
    ranks = stats.rankdata(np.abs(kept))
    sums = np.array([np.dot(signs, ranks) for signs in itertools.product([-1, 1], repeat=len(kept))])
    return float((np.abs(sums) >= abs(np.sign(kept) @ ranks) - 1e-9).mean())


@given(few_numbers)
def test_signed_rank_p_is_that_of_listing_all_signs(values):
    assert signed_rank_p(np.array(values)) == pytest.approx(enumerated_signed_rank_p(np.array(values)), rel=1e-9)


def test_signed_rank_p_is_that_of_r():
    # R 4.2.2: wilcox.test(a, b, paired=TRUE, exact=TRUE)
    a = np.array([1.2, 0.8, 1.9, 0.7, 2.5, 3.1, 0.2, 1.1])
    b = np.array([1.0, 1.4, 1.1, 0.4, 1.2, 1.5, 0.9, 0.7])
    assert paired_comparison(a, b).p_value == pytest.approx(0.25, abs=1e-12)
    # wilcox.test(sin(1:9) + 0.6, rep(0, 9), paired=TRUE, exact=TRUE)
    assert signed_rank_p(np.sin(np.arange(1, 10)) + 0.6) == pytest.approx(0.02734375, abs=1e-12)


def test_many_pairs_take_the_normal_approximation():
    d = np.random.default_rng(0).standard_normal(80) + 0.2
    assert signed_rank_p(d) == stats.wilcoxon(d, method="asymptotic").pvalue
    assert signed_rank_p(d[:50]) == stats.wilcoxon(d[:50], method="exact").pvalue


@given(few_numbers, st.data())
@seldom
def test_pairs_are_symmetric_and_see_no_block_effect(a, data):
    values = st.lists(st.integers(-20, 20).map(float), min_size=len(a), max_size=len(a))
    b, effect = data.draw(values), np.array(data.draw(values))
    result, swapped = paired_comparison(a, b), paired_comparison(b, a)
    assert swapped.p_value == pytest.approx(result.p_value)
    assert swapped.mean_difference == -result.mean_difference
    assert swapped.median_difference == -result.median_difference
    assert swapped.rank_correlation == pytest.approx(-result.rank_correlation)
    assert swapped.share_won == pytest.approx(1 - result.share_won)
    moved = paired_comparison(np.array(a) + effect, np.array(b) + effect)
    assert dataclasses.replace(moved, p_value=result.p_value) == result
    assert moved.p_value == pytest.approx(result.p_value)
    assert result.p_value >= result.smallest_p - 1e-12
    assert result.interval.low <= result.mean_difference <= result.interval.high


def test_five_seeds_say_nothing_and_how_many_would():
    result = paired_comparison([1.0, 2.0, 3.0, 4.0, 5.0], [2.0, 3.5, 4.1, 5.2, 6.3], names=("gru", "lstm"))
    assert result.p_value == result.smallest_p == 0.0625
    assert not result.enough
    assert not result.significant
    assert "nothing can be said at level 0.05; the smallest p that they can give is 0.0625" in result.conclusion
    assert "6 unequal pairs would be needed" in result.conclusion
    family = paired_comparison(np.arange(7.0), np.arange(7.0) ** 2 + 1, comparisons=10)
    assert family.p_value == 0.015625
    assert "for one of 10 comparisons" in family.conclusion
    assert family.needed == 9
    assert json.dumps(dataclasses.asdict(family))


def test_equal_pairs_do_not_count():
    a, b = np.arange(6.0), 2 * np.arange(6.0)
    result = paired_comparison(a, b)
    assert (result.n, result.zeros, result.smallest_p, result.enough) == (6, 1, 0.0625, False)
    assert "(1 of them equal)" in result.conclusion
    same = paired_comparison(a, a)
    assert (same.p_value, same.smallest_p, same.interval.low, same.interval.high) == (1.0, 1.0, 0.0, 0.0)
    assert same.conclusion.endswith("all pairs are equal")
    # 0.1 + 0.2 is not 0.3: what rounding leaves is no difference.
    assert paired_comparison([0.1 + 0.2] * 6, [0.3] * 6).zeros == 6


def test_words_follow_the_ranks_that_were_tested():
    a = np.arange(10.0)
    better = paired_comparison(a, a + 1 + 0.1 * a, names=("gru", "lstm"))
    assert better.significant
    assert better.conclusion.startswith("gru is better than lstm over 10 pairs")
    assert "too narrow" in better.conclusion
    scores = paired_comparison(a, a + 1 + 0.1 * a, names=("gru", "lstm"), smaller_is_better=False)
    assert scores.conclusion.startswith("lstm is better than gru")
    assert (better.share_won, scores.share_won) == (1.0, 0.0)
    # One outlier turns the mean, not the verdict.
    outlier = paired_comparison(np.append(np.zeros(14), 1000.0), np.append(np.arange(1.0, 15), 0.0))
    assert outlier.mean_difference > 0
    assert outlier.conclusion.startswith("a is better than b")
    open_verdict = paired_comparison(a, a + np.tile([1.0, -1.1], 5))
    assert "does not show that there is none" in open_verdict.conclusion


def test_rank_correlation_is_between_minus_one_and_one():
    assert rank_correlation(np.array([1.0, 2.0, 0.0])) == 1.0
    assert rank_correlation(np.array([-1.0, -2.0])) == -1.0
    assert rank_correlation(np.array([3.0, -1.0, -2.0])) == 0.0
    assert rank_correlation(np.zeros(3)) == 0.0


def test_incomplete_pairs_are_refused():
    with pytest.raises(DataError, match="gru has 2 values and lstm 1; pairs must be complete"):
        paired_comparison([1.0, 2.0], [1.0], names=("gru", "lstm"))
    with pytest.raises(DataError, match="lstm: value 2 of 2 is nan"):
        paired_comparison([1.0, 2.0], [1.0, math.nan], names=("gru", "lstm"))
    with pytest.raises(DataError, match="gru has 0 values, at least 1"):
        paired_comparison([], [], names=("gru", "lstm"))


# --- Intervals


def test_the_interval_is_the_same_each_time_and_near_students():
    values = np.random.default_rng(0).standard_normal(200) + 1
    found = mean_interval(values, level=0.95)
    assert found == mean_interval(values, level=0.95)
    assert found.method == "BCa"
    expected = stats.t.interval(0.95, 199, values.mean(), values.std(ddof=1) / math.sqrt(200))
    assert (found.low, found.high) == pytest.approx(expected, abs=0.02)


def test_two_samples_near_welch():
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal(150) + 1, 2 * rng.standard_normal(100)
    found = mean_interval(a, b, level=0.9)
    expected = stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.9)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.05)


def test_the_interval_of_few_values_covers_too_seldom():
    # The docstring says 83 % for 5 values and a nominal 95 %; 150 samples, +- 3 standard errors.
    rng = np.random.default_rng(0)
    found = [mean_interval(rng.standard_normal(5), level=0.95) for _ in range(150)]
    assert 0.73 < np.mean([one.low <= 0 <= one.high for one in found]) < 0.93


def test_degenerate_samples_have_an_interval():
    assert mean_interval(np.full(4, 2.5), level=0.95).method == "none"
    assert mean_interval(np.array([1.0]), level=0.95).low == 1.0
    lonely = mean_interval(np.array([0.0, 1.0]), level=0.95)
    assert lonely.low <= 0.5 <= lonely.high
    half = mean_interval(np.full(4, 2.0), np.array([1.0, 1.5, 0.0]), level=0.95)
    assert 0.5 <= half.low <= half.high <= 2


# --- Independent samples


def test_rank_sum_p_is_that_of_r():
    # R 4.2.2: wilcox.test(a, b, exact=TRUE)
    a, b = np.array([1.2, 0.8, 1.9, 0.7, 2.5]), np.array([1.05, 1.45, 3.15, 2.45, 1.25, 2.75, 3.55])
    assert rank_sum_p(a, b) == pytest.approx(0.148989898990, abs=1e-12)
    assert unpaired_comparison(a, b).p_value == pytest.approx(0.148989898990, abs=1e-12)


@seldom
@given(st.permutations(range(9)), st.integers(2, 7))
def test_listing_agrees_with_scipy_without_ties(values, size):
    from recast.report.statistics.rank_sums import exact_with_ties

    a, b = np.array(values[:size], float), np.array(values[size:], float)
    listed = exact_with_ties(stats.rankdata(np.concatenate([a, b])), size)
    assert listed == pytest.approx(stats.mannwhitneyu(a, b, method="exact").pvalue)
    assert rank_sum_p(a, b) == pytest.approx(listed)


@seldom
@given(few_numbers, few_numbers)
def test_unpaired_samples_are_symmetric(a, b):
    result, swapped = unpaired_comparison(a, b), unpaired_comparison(b, a)
    assert swapped.p_value == pytest.approx(result.p_value)
    assert swapped.mean_difference == pytest.approx(-result.mean_difference)
    assert swapped.share_won == pytest.approx(1 - result.share_won)
    assert 0 < result.p_value <= 1
    assert result.p_value >= result.smallest_p - 1e-12


def test_many_tied_values_take_the_normal_approximation():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 5, 40).astype(float), rng.integers(0, 5, 40).astype(float)
    assert rank_sum_p(a, b) == stats.mannwhitneyu(a, b, method="asymptotic").pvalue


def test_three_and_three_say_nothing():
    result = unpaired_comparison([1.0, 2.0, 3.0], [4.0, 5.0, 6.0], names=("gru", "lstm"))
    assert result.p_value == result.smallest_p == pytest.approx(0.1)
    assert "nothing can be said at level 0.05; the smallest p that they can give is 0.1" in result.conclusion
    assert "4 values of each would be needed" in result.conclusion
    enough = unpaired_comparison([1.0, 2.0, 3.0, 3.5], [4.0, 5.0, 6.0, 7.0], names=("gru", "lstm"))
    assert enough.significant
    assert enough.conclusion.startswith("gru (4 values) against lstm (4): gru is better than lstm")
    family = unpaired_comparison([1.0, 2.0, 3.0, 3.5], [4.0, 5.0, 6.0, 7.0], comparisons=3)
    assert "for one of 3 comparisons" in family.conclusion
    scores = unpaired_comparison([1.0, 2.0, 3.0, 3.5], [4.0, 5.0, 6.0, 7.0], smaller_is_better=False)
    assert "b is better than a" in scores.conclusion
    assert "no difference is shown" in unpaired_comparison(np.arange(5.0), np.arange(5.0) + 0.5).conclusion
    with pytest.raises(DataError, match="gru has 1 values, at least 2"):
        unpaired_comparison([1.0], [1.0, 2.0], names=("gru", "lstm"))


# --- What so few can show


@pytest.mark.parametrize("n", range(1, 9))
def test_smallest_p_is_attained_by_the_most_extreme_data(n):
    a = np.arange(1.0, n + 1)
    assert smallest_paired_p(n) == pytest.approx(signed_rank_p(a))
    assert smallest_unpaired_p(n, n + 1) == pytest.approx(rank_sum_p(a, np.arange(n + 2.0, 2 * n + 3)))


def test_needed_numbers():
    assert [pairs_needed(0.05, m) for m in (1, 2, 10, 66)] == [6, 7, 9, 12]
    assert [seeds_needed(0.05, m) for m in (1, 3, 10)] == [4, 5, 6]
    assert (pairs_needed(0.01), seeds_needed(0.01)) == (8, 5)


def test_smallest_friedman_p_is_the_share_of_agreeing_blocks():
    orders = list(itertools.permutations(range(3)))
    agreeing = sum(len(set(blocks)) == 1 for blocks in itertools.product(orders, repeat=3))
    assert smallest_friedman_p(3, 3) == pytest.approx(agreeing / len(orders) ** 3)


# --- Families


@pytest.fixture
def little_garbage():
    """statsmodels collects all garbage at each call: seconds, where torch's modules are looked through each time."""
    gc.freeze()


@seldom
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.permutations(range(12)))
@pytest.mark.usefixtures("little_garbage")
def test_holm_is_monotone_never_below_raw_and_blind_to_order(p_values, order_of_all):
    result = holm(p_values)
    order = np.argsort(p_values, kind="stable")
    assert (np.diff(np.array(result.adjusted)[order]) >= 0).all()
    assert all(adjusted >= raw for raw, adjusted in zip(p_values, result.adjusted, strict=True))
    assert max(result.adjusted) <= 1
    # Written from the formula.
    ranked, worst, expected = np.array(p_values)[order], 0.0, np.zeros(len(p_values))
    for step, p in enumerate(ranked):
        worst = max(worst, min(1.0, (len(ranked) - step) * p))
        expected[order[step]] = worst
    assert result.adjusted == pytest.approx(tuple(expected))
    shuffled = [index for index in order_of_all if index < len(p_values)]
    again = holm([p_values[index] for index in shuffled])
    assert again.adjusted == pytest.approx(tuple(result.adjusted[index] for index in shuffled))


def test_holm_is_that_of_r():
    # R 4.2.2: p.adjust(c(0.01, 0.04, 0.03, 0.005, 0.8), "holm")
    result = holm([0.01, 0.04, 0.03, 0.005, 0.8])
    assert result.adjusted == pytest.approx((0.04, 0.09, 0.09, 0.025, 0.8))
    assert result.rejected == (True, False, False, True, False)
    assert result.pairs_needed == 8
    assert result.conclusion.startswith("a difference is shown in 2 of 5 comparisons at level 0.05")


@pytest.mark.parametrize(
    ("p_values", "message"),
    [([], "p-values has 0 values"), ([0.1, math.nan], "value 2 of 2 is nan"), ([1.5], "p-value 1 of 1 is 1.5")],
)
def test_p_values_that_are_none(p_values, message):
    with pytest.raises(DataError, match=message):
        holm(p_values)


# --- Many models

# Demsar (2006), JMLR 7, table 6: AUC of C4.5, with m tuned, with cf tuned, with both, on 14 data sets. It prints 0.975
# twice in the last row but one, and ranks them 2 and 3.
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.975],
        [0.957, 0.978, 0.946, 0.970],
    ]
)
C45 = ["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"]


def test_demsars_example():
    result = friedman_nemenyi(DEMSAR, C45, smaller_is_better=False)
    assert result.average_ranks == pytest.approx((3.143, 2.000, 2.893, 1.964), abs=5e-4)
    # His chi-squared has no correction for ties: from the ranks, as in section 3.2.2.
    plain = 12 * 14 / (4 * 5) * (sum(rank**2 for rank in result.average_ranks) - 4 * 5**2 / 4)
    assert plain == pytest.approx(9.28, abs=0.005)
    assert iman_davenport(plain, models=4, blocks=14) == pytest.approx(3.69, abs=0.005)
    # With it, R 4.2.2: friedman.test
    assert result.chi2 == pytest.approx(10.228346456693, abs=1e-11)
    assert result.chi2_p_value == pytest.approx(0.016721580328, abs=1e-11)
    # Section 3.2.4: the critical difference is 1.25 at 5 % and 1.12 at 10 %; no pair differs at 5 %.
    assert result.critical_difference == pytest.approx(1.25, abs=0.005)
    assert nemenyi_difference(4, 14, 0.1) == pytest.approx(1.12, abs=0.005)
    assert result.order == ("C4.5+m+cf", "C4.5+m", "C4.5+cf", "C4.5")
    assert result.cliques == (result.order,)
    assert result.conclusion.endswith("but the best, 'C4.5+m+cf', is not shown to differ from any other")
    # At 10 % plain C4.5 is worse than the first two, and C4.5+cf belongs to both groups.
    at_ten = friedman_nemenyi(DEMSAR, C45, alpha=0.1, smaller_is_better=False)
    assert at_ten.cliques == (("C4.5+m+cf", "C4.5+m", "C4.5+cf"), ("C4.5+cf", "C4.5"))


# Demsar (2006), table 5a, k = 2 ... 10.
TABLE_5 = {
    0.05: [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164],
    0.10: [1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.780, 2.855, 2.920],
}


@pytest.mark.parametrize(("alpha", "k"), [(alpha, k) for alpha in TABLE_5 for k in range(2, 11)])
def test_nemenyis_quantiles_are_demsars_table(alpha, k):
    q = nemenyi_difference(k, 1, alpha) / math.sqrt(k * (k + 1) / 6)
    # His were rounded from a table: 2.949 and 2.459 are 2.9483 and 2.4595.
    assert q == pytest.approx(TABLE_5[alpha][k - 2], abs=1.1e-3)


# R 4.2.2: qtukey(0.95, c(2, 12, 20), Inf) / sqrt(2)
@pytest.mark.parametrize(("k", "q"), [(2, 1.959964), (12, 3.268004), (20, 3.543799)])
def test_nemenyis_quantiles_are_those_of_r(k, q):
    assert nemenyi_difference(k, 1) / math.sqrt(k * (k + 1) / 6) == pytest.approx(q, abs=2e-6)


@seldom
@given(st.integers(3, 6), st.integers(3, 9), st.integers(0, 2**32 - 1))
def test_friedman_is_scipys_and_blind_to_block_effects_and_order(models, blocks, seed):
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 6, (blocks, models)).astype(float)
    scores[0] = np.arange(models)  # one block at least is not all ties
    names = [f"model {index}" for index in range(models)]
    result = friedman_nemenyi(scores, names)
    expected = stats.friedmanchisquare(*scores.T)
    assert (result.chi2, result.chi2_p_value) == pytest.approx((expected.statistic, expected.pvalue))
    moved = friedman_nemenyi(10 * scores + rng.integers(-9, 9, (blocks, 1)), names)
    assert moved == result
    order = rng.permutation(models)
    shuffled = friedman_nemenyi(scores[:, order], [names[index] for index in order])
    assert shuffled.average_ranks == pytest.approx(tuple(result.average_ranks[index] for index in order))
    assert shuffled.p_value == pytest.approx(result.p_value)
    turned = friedman_nemenyi(-scores, names, smaller_is_better=False)
    assert turned == result
    assert sum(result.average_ranks) == pytest.approx(models * (models + 1) / 2)


@seldom
@given(st.integers(0, 2**32 - 1), st.integers(3, 9))
def test_cliques_are_the_maximal_groups_within_the_critical_difference(seed, models):
    rng = np.random.default_rng(seed)
    names = [f"model {index}" for index in range(models)]
    result = friedman_nemenyi(rng.standard_normal((25, models)) + rng.random(models) * 3, names)
    ranks = dict(zip(names, result.average_ranks, strict=True))
    if not result.significant:
        assert result.cliques == (result.order,)
        return
    alike = [
        {name for name in names if 0 <= ranks[name] - ranks[first] < result.critical_difference} for first in names
    ]
    groups = {frozenset(group) for group in alike if len(group) > 1}
    maximal = {group for group in groups if not any(group < other for other in groups)}
    assert {frozenset(clique) for clique in result.cliques} == maximal


def test_two_models_agree_with_the_sign_test_about_what_can_be_said():
    assert blocks_needed(2) == 6 == pairs_needed()
    five = friedman_nemenyi(np.column_stack([np.zeros(5), np.ones(5)]), ["gru", "lstm"])
    assert five.p_value == five.smallest_p == pytest.approx(0.0625)
    assert not five.significant
    assert five.conclusion == (
        "2 models over 5 blocks: nothing can be said at level 0.05; at least 6 blocks would be needed"
    )
    assert five.cliques == (("gru", "lstm"),)
    six = friedman_nemenyi(np.column_stack([np.zeros(6), np.ones(6)]), ["gru", "lstm"])
    assert math.isinf(six.f)
    assert six.cliques == ()
    assert six.conclusion.endswith("'gru' ranks best, by the critical difference or more better than 'lstm'")


def test_needed_blocks_leave_room_for_the_critical_difference():
    for models in (3, 8, 20):
        n = blocks_needed(models)
        assert nemenyi_difference(models, n) <= models - 1
        assert smallest_friedman_p(n, models) <= 0.05
        assert n == 2 or nemenyi_difference(models, n - 1) > models - 1 or smallest_friedman_p(n - 1, models) > 0.05


def test_missing_scores_drop_their_block_and_are_counted():
    scores = np.random.default_rng(0).random((10, 3))
    scores[[2, 5], [0, 1]] = math.nan
    result = friedman_nemenyi(scores, ["a", "b", "c"])
    assert (result.blocks, result.dropped) == (8, 2)
    whole = friedman_nemenyi(np.delete(scores, [2, 5], axis=0), ["a", "b", "c"])
    assert result == dataclasses.replace(whole, dropped=2)
    assert "3 models over 8 blocks (2 blocks with missing scores left out)" in result.conclusion


def test_a_diverged_model_ranks_last():
    scores = np.array([[1.0, 2.0, math.inf]] * 4)
    assert friedman_nemenyi(scores, ["a", "b", "c"]).average_ranks == (1.0, 2.0, 3.0)


def test_all_ties_and_one_block():
    ties = friedman_nemenyi(np.ones((9, 3)), ["a", "b", "c"])
    assert (ties.chi2, ties.p_value, ties.average_ranks) == (0.0, 1.0, (2.0, 2.0, 2.0))
    assert "no difference is shown" in ties.conclusion
    one = friedman_nemenyi(np.array([[1.0, 2.0, 3.0]]), ["a", "b", "c"])
    assert one.p_value == 1.0
    assert "nothing can be said" in one.conclusion


def test_words_count_the_beaten():
    rng = np.random.default_rng(0)
    scores = rng.standard_normal((30, 6)) + np.array([0, 5, 5, 5, 5, 0.01])
    result = friedman_nemenyi(scores, list("abcdef"))
    assert result.conclusion.endswith("ranks best, by the critical difference or more better than 4 of 5 others")
    alone = friedman_nemenyi(rng.standard_normal((30, 3)) + np.array([0, 9, 9]), list("abc"))
    assert alone.conclusion.endswith("'a' ranks best, by the critical difference or more better than all others")


@pytest.mark.parametrize(
    ("scores", "names", "message"),
    [
        (np.ones((3, 2)), ["a"], r"scores have shape \(3, 2\), expected \(blocks, 1\)"),
        (np.ones(3), ["a"], r"shape \(3,\)"),
        (np.ones((3, 1)), ["a"], "1 model to rank, at least 2"),
        (np.ones((3, 2)), ["a", "a"], "two models are called 'a'"),
        (np.array([[1.0, math.nan], [2.0, math.nan]]), ["a", "b"], r"none of 2 blocks .* \(missing: b\)"),
        (np.ones((0, 2)), ["a", "b"], "none of 0 blocks"),
    ],
)
def test_scores_that_cannot_be_ranked(scores, names, message):
    with pytest.raises(DataError, match=message):
        friedman_nemenyi(scores, names)


def test_numbers_are_short():
    assert [number(value) for value in (0.0, 0.05, 0.012345, 3.0, 1234567.0, 1e-7)] == [
        "0",
        "0.05",
        "0.0123",
        "3",
        "1.23e+06",
        "1.00e-07",
    ]
